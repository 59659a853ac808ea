// The weight files of a Hugging Face directory, mapped: model.safetensors, or
// the shards that model.safetensors.index.json names. Immutable; any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "actors/chunks/digest.hpp"
#include "actors/model/checkpoint/mapped_file.hpp"
#include "actors/model/checkpoint/safetensors.hpp"
#include "protocol/error.hpp"

namespace lamina {

struct checkpoint {
  std::vector<mapped_file_ptr> files;  // sorted by name
  tensor_map tensors;                  // of all files; views into them

  /// corrupt when a file's size is no longer what was mapped.
  result<void> check_unchanged() const;
};

/// not_found, corrupt, unsupported, io_error; the sentence names the file.
result<checkpoint> open_checkpoint(const std::filesystem::path& directory);

/// One file of tensors that is no part of a model's directory.
result<checkpoint> open_weight_file(const std::filesystem::path& file);

/// What makes two checkpoints the same model: SHA-256 over the text of
/// config.json and every byte of the weight files, in order.
digest fingerprint(std::string_view config_text, const checkpoint& weights);

}  // namespace lamina

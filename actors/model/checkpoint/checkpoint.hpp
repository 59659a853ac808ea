// The weight files of a Hugging Face directory, mapped: model.safetensors, or
// the shards that model.safetensors.index.json names. Immutable; any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "actors/model/checkpoint/mapped_file.hpp"
#include "actors/model/checkpoint/safetensors.hpp"
#include "protocol/error.hpp"

namespace lamina {

struct checkpoint {
  std::vector<mapped_file_ptr> files;  // sorted by name
  tensor_map tensors;                  // of all files; views into them

  std::uint64_t bytes() const;                               // of all files
  mapped_file_ptr file_of(const tensor_view& tensor) const;  // of `tensors`

  /// What most of the bytes are stored as: "BF16"; empty without tensors.
  std::string main_dtype() const;

  /// corrupt when a file's size is no longer what was mapped.
  result<void> check_unchanged() const;
};

/// not_found, corrupt, unsupported, io_error; the sentence names the file. An
/// index must be true: every tensor lies in the file that it says, once, and
/// no file has others.
result<checkpoint> open_checkpoint(const std::filesystem::path& directory);

/// One file of tensors that is no part of a model's directory.
result<checkpoint> open_weight_file(const std::filesystem::path& file);

}  // namespace lamina

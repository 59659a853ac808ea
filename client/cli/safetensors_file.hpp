// A .safetensors file opened for reading piece by piece: its header in memory,
// its tensors on disk (https://huggingface.co/docs/safetensors). Everything in
// the header is checked against the file before it is used. Main thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "protocol/error.hpp"

namespace lamina::cli {

struct file_tensor {
  std::string dtype;  // in safetensors' words
  std::vector<std::uint64_t> shape;
  std::uint64_t offset = 0;  // in the file
  std::uint64_t bytes = 0;   // as many as the shape needs
};

class safetensors_file {
 public:
  /// invalid_argument, with what is wrong, for a file that is none; io_error.
  static result<safetensors_file> open(const std::string& path);
  safetensors_file(safetensors_file&&) noexcept;
  safetensors_file& operator=(safetensors_file&&) noexcept;
  ~safetensors_file();

  const std::string& path() const { return path_; }
  const std::map<std::string, file_tensor>& tensors() const { return tensors_; }
  /// `__metadata__`.
  const std::map<std::string, std::string>& metadata() const {
    return metadata_;
  }

  /// The tensor of this name, type and shape: invalid_argument for another.
  result<const file_tensor*> tensor(
      const std::string& name, const std::string& dtype,
      const std::vector<std::uint64_t>& shape) const;

  /// Bytes of a tensor from `offset` on; it must have as many.
  result<void> read(const file_tensor& from, std::uint64_t offset,
                    std::span<std::byte> into) const;

 private:
  safetensors_file(std::string path, int fd);
  result<void> read_header();
  result<void> read_at(std::uint64_t offset, std::span<std::byte> into) const;

  std::string path_;
  int fd_ = -1;
  std::map<std::string, file_tensor> tensors_;
  std::map<std::string, std::string> metadata_;
};

/// "F32", "BF16", "F16" and back to bytes an element; 0 for unknown names.
std::size_t element_bytes(const std::string& dtype);

}  // namespace lamina::cli

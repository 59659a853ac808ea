#include "client/cli/safetensors_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "protocol/little_endian.hpp"

namespace lamina::cli {
namespace {

using nlohmann::json;

/// What the format itself allows.
constexpr std::uint64_t header_bytes_max = 100'000'000;
constexpr std::uint64_t length_bytes = 8;

auto wrong(const std::string& path, std::string_view sentence) {
  return fail(error_code::invalid_argument,
              fmt::format("'{}' {}", path, sentence));
}

auto unreadable(const std::string& path) {
  return fail(error_code::io_error,
              fmt::format("cannot read '{}' ({})", path,
                          std::generic_category().message(errno)));
}

std::string text_of(const std::vector<std::uint64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

/// Whole numbers from 0 on; of any other the JSON library would make one.
result<std::vector<std::uint64_t>> numbers_of(const std::string& path,
                                              const std::string& name,
                                              const json& list) {
  std::vector<std::uint64_t> numbers;
  for (const auto& number : list) {
    if (!number.is_number_unsigned())
      return wrong(path, fmt::format("has a tensor '{}' with {} where a whole "
                                     "number belongs",
                                     name, number.dump()));
    numbers.push_back(number.get<std::uint64_t>());
  }
  return numbers;
}

result<file_tensor> tensor_of(const std::string& path, const std::string& name,
                              const json& entry, std::uint64_t begin,
                              std::uint64_t end) {
  file_tensor t;
  t.dtype = entry.at("dtype").get<std::string>();
  BOOST_OUTCOME_TRY(shape, numbers_of(path, name, entry.at("shape")));
  BOOST_OUTCOME_TRY(offsets, numbers_of(path, name, entry.at("data_offsets")));
  t.shape = std::move(shape);
  const auto available = end - begin;
  if (offsets.size() != 2 || offsets[0] > offsets[1] || offsets[1] > available)
    return wrong(path,
                 fmt::format("is cut short: tensor '{}' ends beyond it", name));
  t.offset = begin + offsets[0];
  t.bytes = offsets[1] - offsets[0];
  const auto element = element_bytes(t.dtype);
  std::uint64_t needed = element;
  for (const auto n : t.shape)
    if (__builtin_mul_overflow(needed, n, &needed))
      return wrong(path,
                   fmt::format("has a tensor '{}' of impossible shape", name));
  if (element != 0 && needed != t.bytes)
    return wrong(path, fmt::format("has a tensor '{}' of {} bytes; its shape "
                                   "needs {}",
                                   name, t.bytes, needed));
  return t;
}

}  // namespace

std::size_t element_bytes(const std::string& dtype) {
  if (dtype == "F64" || dtype == "I64") return 8;
  if (dtype == "F32" || dtype == "I32") return 4;
  if (dtype == "F16" || dtype == "BF16" || dtype == "I16") return 2;
  if (dtype == "U8" || dtype == "I8" || dtype == "BOOL") return 1;
  return 0;
}

safetensors_file::safetensors_file(std::string path, int fd)
    : path_(std::move(path)), fd_(fd) {}

safetensors_file::safetensors_file(safetensors_file&& other) noexcept
    : path_(std::move(other.path_)),
      fd_(std::exchange(other.fd_, -1)),
      tensors_(std::move(other.tensors_)),
      metadata_(std::move(other.metadata_)) {}

safetensors_file& safetensors_file::operator=(
    safetensors_file&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  std::swap(tensors_, other.tensors_);
  std::swap(metadata_, other.metadata_);
  return *this;
}

safetensors_file::~safetensors_file() {
  if (fd_ >= 0) ::close(fd_);
}

result<safetensors_file> safetensors_file::open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return fail(error_code::io_error,
                fmt::format("cannot open '{}' ({})", path,
                            std::generic_category().message(errno)));
  safetensors_file file(path, fd);
  BOOST_OUTCOME_TRYV(file.read_header());
  return file;
}

result<void> safetensors_file::read_header() try {
  struct stat about;
  if (::fstat(fd_, &about) != 0) return unreadable(path_);
  const auto size = static_cast<std::uint64_t>(about.st_size);
  if (!S_ISREG(about.st_mode) || size < length_bytes)
    return wrong(path_, "is no .safetensors file");
  std::array<std::byte, length_bytes> head;
  BOOST_OUTCOME_TRYV(read_at(0, head));
  const auto length = load_little<std::uint64_t>(head.data());
  if (length > header_bytes_max || length > size - length_bytes)
    return wrong(
        path_,
        fmt::format("has a header of {} bytes, which it cannot have", length));
  std::string text(length, '\0');
  BOOST_OUTCOME_TRYV(
      read_at(length_bytes, std::as_writable_bytes(std::span(text))));
  const auto header = json::parse(text);
  if (!header.is_object())
    return wrong(path_, "has a header that is no object");
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") {
      metadata_ = entry.get<std::map<std::string, std::string>>();
      continue;
    }
    BOOST_OUTCOME_TRY(
        t, tensor_of(path_, name, entry, length_bytes + length, size));
    tensors_.emplace(name, std::move(t));
  }
  return success();
} catch (const json::exception& e) {
  return wrong(path_,
               fmt::format("has a header that cannot be read: {}", e.what()));
}

result<const file_tensor*> safetensors_file::tensor(
    const std::string& name, const std::string& dtype,
    const std::vector<std::uint64_t>& shape) const {
  const auto it = tensors_.find(name);
  if (it == tensors_.end())
    return wrong(path_, fmt::format("lacks the tensor '{}'", name));
  const auto& t = it->second;
  if (t.dtype != dtype || t.shape != shape)
    return wrong(path_, fmt::format("has a tensor '{}' of {} {}; {} {} is "
                                    "expected",
                                    name, t.dtype, text_of(t.shape), dtype,
                                    text_of(shape)));
  return &t;
}

result<void> safetensors_file::read(const file_tensor& from,
                                    std::uint64_t offset,
                                    std::span<std::byte> into) const {
  if (offset > from.bytes || into.size() > from.bytes - offset)
    return wrong(path_, "has fewer rows than were asked for");
  return read_at(from.offset + offset, into);
}

result<void> safetensors_file::read_at(std::uint64_t offset,
                                       std::span<std::byte> into) const {
  while (!into.empty()) {
    const auto got =
        ::pread(fd_, into.data(), into.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return unreadable(path_);
    if (got == 0) return wrong(path_, "became shorter while it was read");
    into = into.subspan(static_cast<std::size_t>(got));
    offset += static_cast<std::uint64_t>(got);
  }
  return success();
}

}  // namespace lamina::cli

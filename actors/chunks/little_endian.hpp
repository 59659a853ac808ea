// Little-endian bytes: the one way in which Lamina's formats write and read
// numbers.
//
// A `byte_writer` appends to a vector it owns. A `byte_reader` walks over
// bytes it does not own and never past their end: the first read that does not
// fit fails, and so do all that follow, so a parser may check once at the end.
// Plain values; each belongs to one thread.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lamina {

static_assert(std::endian::native == std::endian::little,
              "numbers are copied as they lie in memory");

template <class T>
concept fixed_width = std::integral<T> || std::floating_point<T>;

class byte_writer {
 public:
  byte_writer() = default;
  explicit byte_writer(std::size_t expected_bytes) {
    bytes_.reserve(expected_bytes);
  }

  template <fixed_width T>
  byte_writer& put(T number) {
    return put_bytes(std::as_bytes(std::span(&number, 1)));
  }

  byte_writer& put_bytes(std::span<const std::byte> bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return *this;
  }

  /// The length in 32 bits, then the characters.
  byte_writer& put_text(std::string_view text) {
    put(static_cast<std::uint32_t>(text.size()));
    return put_bytes(std::as_bytes(std::span(text)));
  }

  std::size_t size() const { return bytes_.size(); }
  std::vector<std::byte> finish() { return std::move(bytes_); }

 private:
  std::vector<std::byte> bytes_;
};

class byte_reader {
 public:
  explicit byte_reader(std::span<const std::byte> bytes) : rest_(bytes) {}

  /// Zero when there is nothing left to read it from.
  template <fixed_width T>
  T get() {
    T number{};
    const auto bytes = get_bytes(sizeof(T));
    if (ok_) std::memcpy(&number, bytes.data(), sizeof(T));
    return number;
  }

  /// Empty when fewer than `count` are left.
  std::span<const std::byte> get_bytes(std::size_t count) {
    if (!ok_ || count > rest_.size()) {
      ok_ = false;
      return {};
    }
    const auto taken = rest_.first(count);
    rest_ = rest_.subspan(count);
    return taken;
  }

  /// What `put_text` wrote.
  std::string get_text() {
    const auto bytes = get_bytes(get<std::uint32_t>());
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  /// Every read so far fitted.
  bool ok() const { return ok_; }
  /// Every read so far fitted and nothing is left over.
  bool at_end() const { return ok_ && rest_.empty(); }
  std::size_t left() const { return rest_.size(); }

 private:
  std::span<const std::byte> rest_;
  bool ok_ = true;
};

}  // namespace lamina

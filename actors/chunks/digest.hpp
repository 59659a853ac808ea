// 16-byte truncated SHA-256: how chunks, roots and checkpoints are named.
//
// Truncation keeps keys short in the store; 128 bits are far beyond accidental
// collision, and nothing here defends against a peer who crafts collisions.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace lamina {

struct digest {
  std::array<std::uint8_t, 16> bytes{};

  friend auto operator<=>(const digest&, const digest&) = default;
};

/// Lower-case hexadecimal, 32 characters.
std::string to_string(const digest& d);

/// From 32 hexadecimal digits of either case; nothing for any other text.
std::optional<digest> digest_from_text(std::string_view text);

/// For hash maps: a digest is already uniformly distributed.
struct digest_hash {
  std::size_t operator()(const digest& d) const {
    std::size_t h;
    std::memcpy(&h, d.bytes.data(), sizeof h);
    return h;
  }
};

/// Incremental SHA-256 (FIPS 180-4, by OpenSSL). Every item is preceded by
/// its length, so that no two different lists of items hash alike.
class digest_builder {
 public:
  digest_builder();
  ~digest_builder();
  digest_builder(const digest_builder&) = delete;
  digest_builder& operator=(const digest_builder&) = delete;

  digest_builder& add(std::span<const std::byte> bytes);
  digest_builder& add(std::string_view text);
  digest_builder& add(std::uint64_t number);
  digest_builder& add(const digest& d);

  /// The digest of everything added; the builder cannot be used afterwards.
  digest finish();

 private:
  void* context_;
};

}  // namespace lamina

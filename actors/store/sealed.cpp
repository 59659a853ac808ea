#include "actors/store/sealed.hpp"

#include <xxhash.h>

#include "actors/chunks/little_endian.hpp"

namespace lamina {
namespace {

std::uint64_t checksum(std::span<const std::byte> key,
                       std::span<const std::byte> body) {
  return XXH3_64bits_withSeed(body.data(), body.size(),
                              XXH3_64bits(key.data(), key.size()));
}

}  // namespace

std::vector<std::byte> seal(std::span<const std::byte> key,
                            std::span<const std::byte> body) {
  byte_writer out(sizeof(std::uint64_t) + body.size());
  out.put(checksum(key, body)).put_bytes(body);
  return out.finish();
}

result<std::span<const std::byte>> unseal(std::span<const std::byte> key,
                                          std::span<const std::byte> record) {
  byte_reader in(record);
  const auto expected = in.get<std::uint64_t>();
  if (!in.ok())
    return fail(error_code::corrupt, "record: shorter than its checksum");
  const auto body = in.get_bytes(in.left());
  if (checksum(key, body) != expected)
    return fail(error_code::corrupt, "record: its checksum does not match");
  return body;
}

}  // namespace lamina

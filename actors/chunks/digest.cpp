#include "actors/chunks/digest.hpp"

#include <openssl/evp.h>

#include <new>
#include <stdexcept>

namespace lamina {
namespace {

EVP_MD_CTX* context_of(void* context) {
  return static_cast<EVP_MD_CTX*>(context);
}

// Only an OpenSSL without SHA-256 or without memory gets here; there is no
// name to go on with, so it is not an error value.
void require(int done) {
  if (done != 1) throw std::runtime_error("OpenSSL cannot compute SHA-256");
}

}  // namespace

std::string to_string(const digest& d) {
  constexpr char digits[] = "0123456789abcdef";
  std::string text;
  text.reserve(2 * d.bytes.size());
  for (const std::uint8_t byte : d.bytes) {
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

std::optional<digest> digest_from_text(std::string_view text) {
  digest d;
  if (text.size() != 2 * d.bytes.size()) return std::nullopt;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const int value = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (value < 0) return std::nullopt;
    std::uint8_t& byte = d.bytes[i / 2];
    byte = static_cast<std::uint8_t>(byte << 4 | value);
  }
  return d;
}

digest_builder::digest_builder() : context_(EVP_MD_CTX_new()) {
  if (context_ == nullptr) throw std::bad_alloc();
  require(EVP_DigestInit_ex(context_of(context_), EVP_sha256(), nullptr));
}

digest_builder::~digest_builder() {
  EVP_MD_CTX_free(context_of(context_));
}

digest_builder& digest_builder::add(std::span<const std::byte> bytes) {
  const std::uint64_t length = bytes.size();
  std::uint8_t prefix[sizeof length];
  for (std::size_t i = 0; i < sizeof length; ++i)
    prefix[i] = static_cast<std::uint8_t>(length >> (8 * i));
  require(EVP_DigestUpdate(context_of(context_), prefix, sizeof prefix));
  require(EVP_DigestUpdate(context_of(context_), bytes.data(), bytes.size()));
  return *this;
}

digest_builder& digest_builder::add(std::string_view text) {
  return add(std::as_bytes(std::span(text)));
}

digest_builder& digest_builder::add(std::uint64_t number) {
  std::byte bytes[sizeof number];
  for (std::size_t i = 0; i < sizeof number; ++i)
    bytes[i] = static_cast<std::byte>(number >> (8 * i));
  return add(std::span<const std::byte>(bytes));
}

digest_builder& digest_builder::add(const digest& d) {
  return add(std::as_bytes(std::span(d.bytes)));
}

digest digest_builder::finish() {
  std::uint8_t whole[EVP_MAX_MD_SIZE];
  require(EVP_DigestFinal_ex(context_of(context_), whole, nullptr));
  digest d;
  std::memcpy(d.bytes.data(), whole, d.bytes.size());
  return d;
}

}  // namespace lamina

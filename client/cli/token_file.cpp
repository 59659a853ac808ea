#include "client/cli/token_file.hpp"

#include <fmt/format.h>

#include <fstream>

#include "protocol/site.hpp"

namespace lamina::cli {
namespace {

using nlohmann::json;

/// A million tokens with everything that is said of them.
constexpr std::uint64_t file_bytes_max = std::uint64_t{256} << 20;

auto wrong(const std::string& path, std::string_view sentence) {
  return fail(error_code::invalid_argument,
              fmt::format("'{}' {}", path, sentence));
}

result<std::vector<std::uint8_t>> bytes_of(const json& entry) {
  if (entry.contains("bytes"))
    return from_hexadecimal(entry.at("bytes").get<std::string>());
  const auto text = entry.at("text").get<std::string>();
  return std::vector<std::uint8_t>(text.begin(), text.end());
}

result<wire::TokenT> token_of(const json& entry, std::uint16_t turn_before) {
  wire::TokenT token;
  const auto id = whole_number(entry.at("id"), ~std::uint32_t{0});
  const auto turn =
      whole_number(entry.value("turn", json(turn_before)), ~std::uint16_t{0});
  if (!id || !turn)
    return fail(error_code::invalid_argument,
                "has an id or a turn that is no whole number in its range");
  token.id = *id;
  token.turn = static_cast<std::uint16_t>(*turn);
  BOOST_OUTCOME_TRY(bytes, bytes_of(entry));
  token.bytes = std::move(bytes);
  const auto role = entry.value("role", "user");
  token.role = role_named(role);
  if (token.role == 0)
    return fail(error_code::invalid_argument, "has the role '" + role + "'");
  return token;
}

}  // namespace

std::optional<std::uint32_t> whole_number(const json& value,
                                          std::uint32_t most) {
  if (!value.is_number_unsigned()) return std::nullopt;
  const auto number = value.get<std::uint64_t>();
  if (number > most) return std::nullopt;
  return static_cast<std::uint32_t>(number);
}

std::uint8_t role_named(std::string_view name) {
  for (const auto r : {role::user, role::assistant, role::system})
    if (to_string(r) == name) return static_cast<std::uint8_t>(r);
  return 0;
}

result<std::vector<std::uint8_t>> from_hexadecimal(std::string_view digits) {
  auto value_of = [](char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
  };
  std::vector<std::uint8_t> bytes;
  for (std::size_t i = 0; i < digits.size(); i += 2) {
    const int high = value_of(digits[i]);
    const int low = i + 1 < digits.size() ? value_of(digits[i + 1]) : -1;
    if (high < 0 || low < 0)
      return fail(error_code::invalid_argument,
                  "has bytes that are not hexadecimal");
    bytes.push_back(static_cast<std::uint8_t>(high * 16 + low));
  }
  return bytes;
}

std::string to_hexadecimal(const std::vector<std::uint8_t>& bytes) {
  return fmt::format("{:02x}", fmt::join(bytes, ""));
}

result<std::vector<wire::TokenT>> read_tokens(const std::string& path) try {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file)
    return fail(error_code::io_error, fmt::format("cannot open '{}'", path));
  if (static_cast<std::uint64_t>(file.tellg()) > file_bytes_max)
    return wrong(path, "is too large for a file of tokens");
  file.seekg(0);
  const auto document = json::parse(file);
  const auto& list = document.is_object() ? document.at("tokens") : document;
  if (!list.is_array()) return wrong(path, "holds no list of tokens");
  std::vector<wire::TokenT> tokens;
  tokens.reserve(list.size());
  for (const auto& entry : list) {
    auto token = token_of(entry, tokens.empty() ? 0 : tokens.back().turn);
    if (!token)
      return wrong(path, fmt::format("is wrong: token {} {}", tokens.size(),
                                     token.error().context));
    tokens.push_back(std::move(token).value());
  }
  return tokens;
} catch (const json::exception& e) {
  return wrong(path, fmt::format("cannot be read as tokens: {}", e.what()));
}

}  // namespace lamina::cli

// Tokens from a JSON file, in the form that `--json` prints them: an array of
// {id, text or bytes in hexadecimal, role, turn}, or an object whose `tokens`
// is one. Role and turn may be missing: user, and the turn of the token before.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/error.hpp"
#include "protocol/lamina_generated.h"

namespace lamina::cli {

/// invalid_argument says which token is wrong, and how; io_error.
result<std::vector<wire::TokenT>> read_tokens(const std::string& path);

/// A whole number from 0 to `most`; nothing for any other value, which the
/// JSON library would bend into one.
std::optional<std::uint32_t> whole_number(const nlohmann::json& value,
                                          std::uint32_t most);

/// The bytes of hexadecimal digits; invalid_argument for anything else.
result<std::vector<std::uint8_t>> from_hexadecimal(std::string_view digits);

/// And back, in lower case.
std::string to_hexadecimal(const std::vector<std::uint8_t>& bytes);

/// 1 user, 2 assistant, 3 system; 0 for other names.
std::uint8_t role_named(std::string_view name);

}  // namespace lamina::cli

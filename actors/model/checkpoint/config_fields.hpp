// Reading the fields of a Hugging Face config.json, which nobody vouches for:
// each value is checked where it is read, and an error names its field.
// `invalid_argument` for numbers that make no sense, `unsupported` for what
// Lamina does not run, `corrupt` for what is not JSON at all.
//
// Absent and null mean the same in these files. Pure functions; any thread.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/error.hpp"
#include "protocol/site.hpp"

namespace lamina {

struct count_range {
  std::uint64_t lowest;
  std::uint64_t highest;
};

// Far beyond any model that exists; what they bound is memory and overflow.
inline constexpr count_range layers_range{1, 1024};
inline constexpr count_range width_range{1, 1u << 17};
inline constexpr count_range heads_range{1, 4096};
inline constexpr count_range head_dim_range{2, 4096};
inline constexpr count_range feed_forward_range{1, 1u << 20};
inline constexpr count_range vocabulary_range{1, 1u << 24};
inline constexpr count_range context_range{1, 1u << 24};

/// Bounds nesting before the parser takes memory for it.
result<nlohmann::json> parse_config_object(std::string_view text);

/// Null when the field is absent or null.
const nlohmann::json* present(const nlohmann::json& object, const char* field);

result<std::uint32_t> count_at(const nlohmann::json& config, const char* field,
                               count_range range);
result<std::uint32_t> count_or(const nlohmann::json& config, const char* field,
                               count_range range, std::uint32_t otherwise);

/// Above 0, at most `highest`.
result<double> positive_at(const nlohmann::json& config, const char* field,
                           double highest);

result<bool> flag_or(const nlohmann::json& config, const char* field,
                     bool otherwise);

/// unsupported when the field is there and says something else.
result<void> must_be(const nlohmann::json& config, const char* field,
                     const nlohmann::json& expected);
result<void> must_be_absent(const nlohmann::json& config, const char* field);

/// `eos_token_id`: one id, a list of them, or none.
result<std::vector<token_id>> end_tokens_at(const nlohmann::json& config);

/// A value in an error's sentence.
std::string quoted(const nlohmann::json& value);

}  // namespace lamina

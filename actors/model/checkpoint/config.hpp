// config.json and generation_config.json of a Hugging Face directory, read
// into what the engine runs. A field that would change the numbers in a way
// Lamina does not implement is an error that names it, never ignored.
//
// Pure functions; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/error.hpp"
#include "protocol/site.hpp"

namespace lamina {

struct llama_config {
  std::uint32_t layers = 0;
  std::uint32_t width = 0;
  std::uint32_t heads = 0;
  std::uint32_t kv_heads = 0;
  std::uint32_t head_dim = 0;
  std::uint32_t feed_forward = 0;
  std::uint32_t vocabulary = 0;
  std::uint32_t context_length = 0;
  float norm_epsilon = 0;
  double rope_theta = 0;
  bool tied_head = false;
  std::vector<token_id> end_tokens;

  /// "default:10000", part of a conversation's provenance.
  std::string rope_text() const;
};

/// Errors name the field: `unsupported` for what Lamina does not run,
/// `invalid_argument` for numbers that make no sense, `corrupt` for what is
/// not JSON at all.
result<llama_config> parse_llama_config(std::string_view json_text);

/// The end tokens in a generation_config.json; empty when it names none.
result<std::vector<token_id>> parse_end_tokens(std::string_view json_text);

}  // namespace lamina

// What the command line says about positions, layers and sites. Pure. Errors
// are invalid_argument and repeat the words they could not read.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "protocol/error.hpp"
#include "protocol/site.hpp"

namespace lamina::cli {

/// Positions begin..end-1; an open end is where the conversation ends.
struct position_range {
  position_t begin = 0;
  std::optional<position_t> end;

  friend bool operator==(const position_range&,
                         const position_range&) = default;
};

/// "3:7" is 3..6, as in Python; "3:", ":7", ":"; "3" alone is 3..3.
result<position_range> parse_positions(std::string_view text);

/// "0,5,8:12" is 0, 5, 8, 9, 10, 11; "embed" is the embedding (-1). In the
/// order written, each once.
result<std::vector<std::int16_t>> parse_layers(std::string_view text);

/// "resid_post,embed"; in the order written, each once.
result<std::vector<site>> parse_sites(std::string_view text);

}  // namespace lamina::cli

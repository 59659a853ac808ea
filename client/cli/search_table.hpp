// Hits of a search as a table for people: score, place, role, and the token in
// its context, one below the other. Pure.
#pragma once

#include <cstddef>
#include <string>

#include "client/cli/style.hpp"
#include "protocol/lamina_generated.h"

namespace lamina::cli {

/// A line of the table takes at most `columns`, though never less than the
/// place and a few columns of context. `ranked`: hits have scores.
std::string render_search(const wire::SearchResultT& found, bool ranked,
                          const style& look, std::size_t columns);

/// One line without its end: how far the search is.
std::string render_search_progress(const wire::SearchResultT& found,
                                   bool ranked);

}  // namespace lamina::cli

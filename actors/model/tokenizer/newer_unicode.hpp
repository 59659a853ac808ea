// Characters of Unicode 15 and 16, which PCRE2 10.42 takes for unassigned and
// Hugging Face `tokenizers` does not: by general category, for expressions.
// Immutable.
#pragma once

#include <span>

namespace lamina {

/// Code points first .. last of one category, "Lo".
struct newer_range {
  char category[3];
  char32_t first;
  char32_t last;
};

/// Those of one category stand together, ascending.
extern const std::span<const newer_range> newer_ranges;

}  // namespace lamina

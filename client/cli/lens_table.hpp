// The logit lens of one position as a table for people: the text before it
// with the clicked token marked, then one row a layer, the deepest last. Pure.
#pragma once

#include <cstddef>
#include <string>

#include "client/cli/style.hpp"
#include "protocol/lamina_generated.h"

namespace lamina::cli {

/// A line of the table takes at most `columns`; as many predictions as fit
/// are shown, at least one. An answer without positions gives an empty text.
std::string render_lens(const wire::LensResultT& lens, const style& look,
                        std::size_t columns);

}  // namespace lamina::cli

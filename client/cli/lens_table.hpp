// The logit lens of one position as a table for people: the text before it
// with the clicked token marked, then one row a layer, the deepest last. Pure.
#pragma once

#include <cstddef>
#include <string>

#include "client/cli/style.hpp"
#include "protocol/lamina_generated.h"

namespace lamina::cli {

/// Puts a part of a range's answer behind the others.
void take_part(wire::LensResultT& all, wire::LensResultT part);

/// A range, put together: a row a position where all have one layer, the table
/// below for each where they have several; and for each tracked token a grid of
/// its probability, layers by positions, in blocks as wide as `columns`.
std::string render_lens_range(const wire::LensResultT& lens, const style& look,
                              std::size_t columns);

/// One position of a range that is still coming: a row where it has one layer,
/// else a line that names it and a row a layer.
std::string render_lens_rows(const wire::LensPositionT& at, const style& look,
                             std::size_t columns);

/// A layer's row: its name, entropy, kl, rank and probability of what came
/// next, and as many predictions as fit; and the names of these columns.
std::string render_layer(const wire::LensLayerT& layer, const style& look,
                         std::size_t columns);
std::string render_layer_heading(const style& look);

/// "40%", ".3%" or "0%".
std::string percent(float log_probability);
/// "embed" or the layer's number.
std::string layer_name(int layer);

/// A line of the table takes at most `columns`; as many predictions as fit
/// are shown, at least one. An answer without positions gives an empty text.
std::string render_lens(const wire::LensResultT& lens, const style& look,
                        std::size_t columns);

}  // namespace lamina::cli

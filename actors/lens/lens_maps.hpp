// A tuned lens (Belrose et al. 2023, arXiv 2303.08112): affine maps that take
// a layer's residual row to where the model's own end reads it best. Row h
// becomes h + A h + b, before the final norm. One map for the embedding and for
// each layer but the last, whose rows the model itself ends with.
//
// Implemented beside the weights (actors/model); read-only, any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

namespace lamina {

class lens_maps {
 public:
  virtual ~lens_maps() = default;

  /// `slot` as in raw_chunk: 0 the embedding, 1 + l layer l. rows: float
  /// [count][width], changed in place; those of the last layer stay.
  /// `threads` bounds how many threads the computation may use.
  virtual void apply(std::uint32_t slot, std::span<float> rows,
                     std::uint32_t count, int threads) const = 0;
};

using lens_maps_ptr = std::shared_ptr<const lens_maps>;

}  // namespace lamina

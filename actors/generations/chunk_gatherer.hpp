// Brought rows on their way into raw chunks: frames of [slot][position][width]
// come with any number of positions, chunks have 16. The rows stay where they
// are: chunks keep the frames.
//
// Pure; owned by one import actor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "actors/chunks/raw_chunk.hpp"
#include "protocol/byte_buffer.hpp"
#include "protocol/error.hpp"

namespace lamina {

class chunk_gatherer {
 public:
  /// The slots of a frame are those of `sites`, in the order of a raw chunk's.
  chunk_gatherer(capture_shape shape, site_mask sites);

  std::size_t position_bytes() const { return slots_ * shape_.row_bytes(); }

  /// invalid_argument unless `bytes` is what the rows of so many positions
  /// take, or 0: they have none.
  result<void> check(std::size_t positions, std::size_t bytes) const;

  /// A chunk as it is after a frame.
  struct part {
    std::uint32_t index = 0;
    position_t begin = 0;      // of the frame's positions in it
    position_t end = 0;        // exclusive
    ready_rows rows;           // all so far; no chunk: some position has none
    float relative_error = 0;  // of the worst frame it had rows of
  };

  /// Takes in what `check` approved of; `frame` null: it has no rows. Positions
  /// follow those of the frame before.
  std::vector<part> add(position_t begin, std::uint32_t positions,
                        const std::shared_ptr<const byte_buffer>& frame,
                        float relative_error);

 private:
  void open(std::uint32_t index);

  capture_shape shape_;
  site_mask sites_;
  std::size_t slots_ = 0;             // of a frame
  std::shared_ptr<raw_chunk> chunk_;  // the newest; null: it lacks rows
  float relative_error_ = 0;          // of it
};

}  // namespace lamina

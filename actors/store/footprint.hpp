// How many bytes a capture will take on disk, before anything is captured:
// page rounding, keys, lens records and all that the store keeps beside them.
// Pure; any thread.
//
// LMDB's rules (0.9): a record whose node exceeds about half a page lies on
// pages of its own, behind a header of 16 bytes; others share leaf pages,
// which are nearly full where keys come in order (chunks) and on average
// ln 2 = 69 % full where they come at random (names are hashes).
#pragma once

#include <cstdint>

#include "actors/chunks/raw_chunk.hpp"

namespace lamina {

struct capture_plan {
  capture_shape shape;
  std::uint64_t tokens = 0;
  bool embed = false;
  bool resid_post = true;
  bool final_norm = false;
  bool lens = true;
  /// Bytes of a stored value, header included, per byte of raw rows: what the
  /// codec reaches. 1 for values that are stored as they are.
  double value_ratio = 1;
  double text_bytes_per_token = 4;
  std::uint32_t page_bytes = 4096;
};

struct footprint {
  std::uint64_t raw_bytes = 0;     // rows as captured
  std::uint64_t value_bytes = 0;   // stored values, without keys
  std::uint64_t lens_bytes = 0;    // lens records, without keys
  std::uint64_t record_bytes = 0;  // tokens and what the store adds, payload
  std::uint64_t disk_bytes = 0;    // pages in use for all of it

  /// What pages cost beyond the payload, as a part of it: 0.1 is 10 %.
  double overhead() const {
    const auto payload =
        static_cast<double>(value_bytes + lens_bytes + record_bytes);
    return payload == 0 ? 0 : static_cast<double>(disk_bytes) / payload - 1;
  }
};

/// Right within 10 % of what a store that holds nothing else uses, from some
/// hundred tokens on. Free pages are not in it: a store that commits 16 MB at
/// a time has about as many beside it.
footprint plan_footprint(const capture_plan& plan);

}  // namespace lamina

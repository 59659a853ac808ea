// What capturing some tokens will take: bytes on disk page by page, memory,
// time, and how much fits the budgets. From what this model's stored values
// take where there are any, else from the rates of docs/codecs.md. Pure.
#pragma once

#include <cstdint>

#include "actors/chunks/raw_chunk.hpp"
#include "actors/codec/quality.hpp"

namespace lamina {

/// What a full chunk's values take, all sites together, on average.
struct stored_sizes {
  std::uint64_t chunks = 0;  // measured; 0: these are defaults
  double values = 0;         // records
  double value_bytes = 0;    // their bytes
  double page_bytes = 0;     // of the pages that hold them
};

/// Of a chunk of this shape at the rates that docs/codecs.md has.
stored_sizes default_sizes(const capture_shape& shape, quality kept);

/// What the daemon has measured since it started; 0: nothing yet.
struct measured_speeds {
  double encode_bytes_s = 0;  // raw, of one core
  double tokens_s = 0;        // prompt and answer, per second in the engine
};

struct plan_question {
  capture_shape shape;
  quality kept = quality::lossless;
  bool lens_records = true;  // kept for every position
  std::uint64_t tokens = 0;
  stored_sizes sizes;
  measured_speeds speeds;
  std::uint64_t disk_bytes_max = 0;    // 0: no budget
  std::uint64_t memory_bytes_max = 0;  // of the memory tier
};

struct capture_plan {
  // Bytes on disk, in whole pages.
  std::uint64_t value_bytes = 0;
  std::uint64_t lens_bytes = 0;
  std::uint64_t record_bytes = 0;  // tokens, names, and the trees above all
  std::uint64_t disk_bytes = 0;    // the sum
  std::uint64_t raw_bytes = 0;     // what the model computes
  double disk_bytes_per_token = 0;
  double memory_bytes_per_token = 0;  // in the memory tier
  std::uint64_t chunk_raw_bytes = 0;  // of one chunk in flight
  double encode_seconds = 0;          // of one core; 0: not known
  double engine_seconds = 0;          // 0: not known
  // How much fits, 0: no budget or not known.
  std::uint64_t tokens_on_disk = 0;
  std::uint64_t tokens_in_memory = 0;
  double hours_on_disk = 0;  // of one sequence that never stops
};

capture_plan plan_capture(const plan_question& q);

}  // namespace lamina

// Messages of a rows actor.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "actors/chunks/row_block.hpp"
#include "actors/codec/quality.hpp"
#include "actors/messages/answer_source.hpp"
#include "actors/messages/message.hpp"
#include "actors/principal.hpp"
#include "actors/store/records.hpp"
#include "protocol/site.hpp"

namespace lamina {

/// Rows of one chunk, from wherever they can be had.
struct load_rows {
  conversation_id conversation = 0;
  std::string owner;          // whose turn a recomputation takes
  std::uint64_t session = 0;  // of theirs, likewise
  std::string model;
  digest root;  // a model of another origin must not recompute
  capture_shape shape;
  digest name;
  std::uint32_t chunk = 0;
  std::uint32_t row_begin = 0;
  std::uint32_t row_end = 0;
  std::uint32_t rows_behind = 0;     // this many more, where they are there too
  std::vector<std::uint32_t> slots;  // which; in this order, each once
  position_t position_end = 0;       // where rows that will be asked for end
  bool exact = false;        // recompute rather than take rows with an error
  bool stored_only = false;  // these rows are not worth a recomputation
  bool brought = false;      // they cannot be computed again
  bool recompute = false;    // whatever is stored
  bool urgent = false;       // somebody waits: before bulk reads
  bool restore = false;      // what was recomputed is stored again, as `kept`
  quality kept = quality::lossless;

  /// Rows begin .. end-1 of chunk `index`, whose name is `chunk_name`; slots
  /// and position_end remain to be filled in.
  static load_rows of(const conversation_record& record,
                      const digest& chunk_name, std::uint32_t index,
                      std::uint32_t begin, std::uint32_t end) {
    load_rows load;
    load.conversation = record.id;
    load.owner = owner_of(record).name();
    load.model = record.model;
    load.root = record.root;
    load.shape = record.shape;
    load.brought = record.is_brought();
    load.name = chunk_name;
    load.chunk = index;
    load.row_begin = begin;
    load.row_end = end;
    return load;
  }
};

struct rows_loaded {
  row_block_ptr rows;
  answer_source source = answer_source::memory;
  float relative_error = 0;  // 0: exact
};

}  // namespace lamina

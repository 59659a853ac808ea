// Messages of the shards: what becomes readable, and what is looked for.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "actors/chunks/lens_record.hpp"
#include "actors/chunks/raw_chunk.hpp"
#include "actors/chunks/stored_value.hpp"
#include "actors/messages/answer_source.hpp"
#include "actors/messages/message.hpp"
#include "protocol/error.hpp"

namespace lamina {

/// Newest rows of a chunk in flight: readable from now on.
struct publish_rows {
  digest name;
  ready_rows rows;
};

/// The encoded form takes the place of the raw rows.
struct publish_values {
  digest name;
  std::vector<stored_value_ptr> values;
};

struct publish_lens {
  digest name;
  position_t chunk_first = 0;
  lens_rows_ptr rows;
};

/// A whole block: read back or computed elsewhere.
struct publish_lens_block {
  digest name;
  lens_block_ptr block;
};

/// Forget a name: a tail that became a full chunk, for example.
struct discard_chunk {
  digest name;
};

/// Forget raw rows that will not be stored; what else is known stays.
struct discard_rows {
  digest name;
};

struct find_lens {
  digest name;
  std::uint32_t rows_wanted = 0;  // bit r: row r
  bool urgent = false;            // somebody waits: before bulk reads
};

struct lens_found {
  lens_block_ptr block;  // may lack wanted rows; null when nothing is there
  answer_source source = answer_source::memory;
  std::optional<error> failure =
      std::nullopt;  // why what is stored could not be read
};

/// The activations of a chunk: raw rows in flight, or the values asked for.
struct find_values {
  digest name;
  std::uint32_t rows_wanted = 0;
  std::vector<value_key> keys;
  bool urgent = false;
};

struct values_found {
  ready_rows raw;                        // set when the chunk is in flight
  std::vector<stored_value_ptr> values;  // else: absent ones are null
  answer_source source = answer_source::memory;
};

struct get_shard_status {};

struct shard_status {
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;
  std::uint64_t raw_bytes = 0;  // in flight
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
  std::uint64_t evictions = 0;
};

}  // namespace lamina

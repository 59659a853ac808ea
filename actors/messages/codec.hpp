// Messages of the codecs: rows into stored values, and back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "actors/chunks/raw_chunk.hpp"
#include "actors/chunks/row_block.hpp"
#include "actors/chunks/stored_value.hpp"
#include "actors/codec/book_shelf.hpp"
#include "actors/codec/quality.hpp"
#include "actors/messages/message.hpp"
#include "protocol/error.hpp"

namespace lamina {

/// Encodes rows 0 .. rows.end-1 of every site and layer.
struct encode_rows {
  digest name;
  ready_rows rows;
  quality kept = quality::lossless;
  codebook_ptr book = nullptr;  // of the rows' root; null: there is none
  float given_error = 0;        // that the rows came with; 0: they are exact
};

using rows_encoded = std::vector<stored_value_ptr>;

/// Decodes what `into` wants of these values, and nothing else. Several of
/// these may fill one block, each the slots of its own values: until the last
/// of them has answered, nobody reads it.
struct decode_values {
  std::vector<stored_value_ptr> values;
  book_shelf_ptr books;
  std::shared_ptr<row_block> into;
};

struct rows_filled {
  std::size_t slots = 0;     // of the block's
  float relative_error = 0;  // of the worst row of these values; 0: exact
};

using values_decoded = result<rows_filled>;

struct get_codec_status {};

/// Of one codec actor, since it started.
struct codec_status {
  std::uint64_t raw_bytes_encoded = 0;
  double encode_seconds = 0;
};

}  // namespace lamina

#include "actors/codec.hpp"

#include <algorithm>
#include <caf/all.hpp>
#include <chrono>
#include <utility>

namespace lamina {
namespace {

values_decoded decode(const decode_values& m) {
  BOOST_OUTCOME_TRY(slots, decode_into(m.values, *m.books, *m.into));
  rows_filled filled;
  filled.slots = slots;
  for (const auto& value : m.values)
    filled.relative_error =
        std::max(filled.relative_error, worst_error_of(value->bytes));
  return filled;
}

}  // namespace

rows_encoded codec_state::encode(const encode_rows& m) {
  using clock = std::chrono::steady_clock;
  const auto begin = clock::now();
  auto values = encode_chunk(m.name, *m.rows.chunk, m.rows.end, m.kept,
                             m.book.get(), m.given_error);
  const auto& shape = m.rows.chunk->shape();
  status.raw_bytes_encoded += m.rows.end * shape.slots() * shape.row_bytes();
  status.encode_seconds +=
      std::chrono::duration<double>(clock::now() - begin).count();
  return values;
}

codec_actor::behavior_type codec(codec_state::pointer self) {
  return {
      [self](const encode_rows& m) { return self->state.encode(m); },
      [](const decode_values& m) { return decode(m); },
      [self](const get_codec_status&) { return self->state.status; },
  };
}

}  // namespace lamina

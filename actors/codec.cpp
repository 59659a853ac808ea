#include "actors/codec.hpp"

#include <caf/all.hpp>
#include <utility>

namespace lamina {
namespace {

values_decoded decode(const decode_values& m) {
  std::uint32_t rows = chunk_positions;
  for (const auto& value : m.values)
    rows = std::min(rows, value->rows);
  BOOST_OUTCOME_TRY(chunk, decode_slots(m.name, m.shape, m.first, m.values));
  return ready_rows{std::move(chunk), 0, rows};
}

}  // namespace

codec_actor::behavior_type codec(codec_state::pointer, codec_id quality) {
  return {
      [quality](const encode_rows& m) {
        return encode_chunk(m.name, *m.rows.chunk, m.rows.end, quality);
      },
      [](const decode_values& m) { return decode(m); },
  };
}

}  // namespace lamina

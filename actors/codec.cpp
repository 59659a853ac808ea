#include "actors/codec.hpp"

#include <algorithm>
#include <caf/all.hpp>
#include <utility>

namespace lamina {
namespace {

values_decoded decode(const decode_values& m) {
  std::uint32_t rows = chunk_positions;
  float relative_error = 0;
  for (const auto& value : m.values) {
    rows = std::min(rows, value->rows);
    relative_error = std::max(relative_error, value->relative_error);
  }
  BOOST_OUTCOME_TRY(chunk, decode_slots(m.name, m.shape, m.first, m.values));
  return decoded_rows{{std::move(chunk), 0, rows}, relative_error};
}

}  // namespace

codec_actor::behavior_type codec(codec_state::pointer) {
  return {
      [](const encode_rows& m) {
        return encode_chunk(m.name, *m.rows.chunk, m.rows.end, m.kept, nullptr,
                            m.given_error);
      },
      [](const decode_values& m) { return decode(m); },
  };
}

}  // namespace lamina

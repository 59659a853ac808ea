#include "actors/reader.hpp"

#include <caf/all.hpp>
#include <utility>

namespace lamina {

reader_actor::behavior_type reader(reader_state::pointer self,
                                   std::shared_ptr<store> environment) {
  auto& state = self->state;
  state.environment = std::move(environment);
  state.reader = state.environment->reader();
  return {
      [&state](const read_conversations&) -> conversations_read {
        BOOST_OUTCOME_TRY(records, state.reader->conversations());
        return conversations_found{std::move(records),
                                   state.reader->passed_over()};
      },
      [&state](const read_chunks& m) { return state.reader->chunks(m.id); },
      [&state](const read_values& m) { return state.reader->values(m.keys); },
      [&state](const read_lens& m) { return state.reader->lens(m.name); },
      [&state](const read_statistics&) {
        return state.environment->statistics();
      },
  };
}

}  // namespace lamina

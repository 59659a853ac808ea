#include "actors/reader.hpp"

#include <caf/all.hpp>
#include <utility>

#include "actors/codec/codec.hpp"
#include "actors/messages/reader.hpp"

namespace lamina {

namespace {

values_read read_checked(store_reader& from, std::span<const value_key> keys) {
  std::vector<stored_value_ptr> values;
  for (const value_key& key : keys) {
    auto value = std::make_shared<stored_value>();
    BOOST_OUTCOME_TRY(there, from.value(key, *value));
    value->checked = there && check(key, value->bytes).has_value();
    values.push_back(there ? std::move(value) : nullptr);
  }
  return values;
}

}  // namespace

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
      [&state](const read_values& m) {
        return read_checked(*state.reader, m.keys);
      },
      [&state](const read_lens& m) { return state.reader->lens(m.name); },
      [&state](const read_statistics&) {
        return state.environment->statistics();
      },
  };
}

}  // namespace lamina

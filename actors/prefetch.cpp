#include "actors/prefetch.hpp"

#include <algorithm>
#include <caf/all.hpp>
#include <set>
#include <utility>

namespace lamina {

// Nobody waits for any of this: a neighbour that cannot be read is simply not
// warm, and the click that wants it will say why.

void prefetch_state::warm(const warm_neighbours& m) {
  if (!options.enabled) return;
  // One position of each chunk that the range touches is enough: memory holds
  // whole chunks.
  auto first = m.position - std::min(m.position, options.range);
  auto last = m.position + options.range;
  for (auto chunk = chunk_of(first); chunk <= chunk_of(last); ++chunk) {
    if (chunk == chunk_of(m.position) && !m.activations) continue;
    locate_positions where;
    where.who = m.who;
    where.conversation = m.conversation;
    where.positions = {first_position(chunk)};
    self->request(view->catalog, caf::infinite, std::move(where))
        .then(
            [this, activations = m.activations](const locate_result& located) {
              if (located) warm_chunks(*located.value(), activations);
            },
            [](const caf::error&) {});
  }
}

void prefetch_state::warm_chunks(const positions_located& located,
                                 bool activations) {
  for (const auto& at : located.positions) {
    const auto& shard = view->shard_of(at.name);
    if (!activations) {
      self->request(shard, caf::infinite, find_lens{at.name, 1})
          .then([](const lens_found&) {}, [](const caf::error&) {});
      continue;
    }
    find_values wanted{
        at.name, 1,
        value_keys(at.name, site::resid_post, located.record.shape)};
    self->request(shard, caf::infinite, std::move(wanted))
        .then([](const result<values_found>&) {}, [](const caf::error&) {});
  }
}

prefetch_actor::behavior_type prefetch(prefetch_state::pointer self,
                                       prefetch_options options,
                                       view_ptr view) {
  self->state.options = options;
  self->state.view = std::move(view);
  return {
      [self](const warm_neighbours& m) { self->state.warm(m); },
      [self](const view_changed& m) {
        self->state.view = m.view;
        self->state.options = {m.view->tuned.prefetch_enabled,
                               m.view->tuned.prefetch_range};
      },
  };
}

}  // namespace lamina

#include "actors/restorer.hpp"

#include <caf/all.hpp>
#include <utility>

namespace lamina {

void restorer_state::restore(const restore_rows& m) {
  if (!options.enabled || pending >= options.pending_max) return;
  ++pending;
  self->request(view->codec_of(m.name), caf::infinite,
                encode_rows{m.name, m.rows, m.kept, view->books->of(m.root)})
      .then(
          [this, m](const rows_encoded& values) {
            --pending;
            self->send(view->shard_of(m.name), publish_values{m.name, values});
            write(put_values{m.name, values},
                  {m.conversation, m.chunk, m.name, (1u << m.rows.end) - 1,
                   presence::present, std::nullopt});
          },
          [this](const caf::error&) { --pending; });
}

void restorer_state::restore(const restore_lens& m) {
  if (!options.enabled || pending >= options.pending_max) return;
  write(put_lens{m.name, m.block},
        {m.conversation, m.chunk, m.name, m.block->complete, std::nullopt,
         presence::present});
}

void restorer_state::write(write_op op, chunk_found found) {
  ++pending;
  auto ops = std::make_shared<std::vector<write_op>>();
  ops->push_back(std::move(op));
  self->request(view->disk, caf::infinite, write_ops{std::move(ops)})
      .then(
          [this, found](const result<ops_written>& written) {
            --pending;
            const bool refused = found.activations && written &&
                                 written.value().activations_refused;
            if (written && !refused) self->send(view->catalog, found);
          },
          [this](const caf::error&) { --pending; });
}

restorer_actor::behavior_type restorer(restorer_state::pointer self,
                                       restorer_options options,
                                       view_ptr view) {
  auto& state = self->state;
  state.options = options;
  state.view = std::move(view);
  return {
      [&state](const restore_rows& m) { state.restore(m); },
      [&state](const restore_lens& m) { state.restore(m); },
      [&state](const view_changed& m) {
        state.view = m.view;
        state.options.enabled = m.view->tuned.restore_recomputed;
      },
  };
}

}  // namespace lamina

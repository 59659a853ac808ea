// What the catalog does for a turn that died before it could write itself.
#include <spdlog/spdlog.h>

#include <caf/all.hpp>
#include <utility>

#include "actors/catalog.hpp"
#include "actors/messages/disk.hpp"

namespace lamina {
namespace {

/// Whoever was to bring these is gone.
void give_up_pending(chunk_record& chunk) {
  for (presence* p : {&chunk.embed, &chunk.resid_post, &chunk.final_norm})
    if (*p == presence::pending) *p = presence::dropped;
  if (chunk.lens == presence::pending) chunk.lens = presence::on_demand;
}

}  // namespace

/// A turn that began and died counts as one that was interrupted.
void catalog_state::cut_off(entry& e) {
  e.writer = nullptr;
  auto& r = e.record;
  const bool imported = static_cast<bool>(std::exchange(e.import, nullptr));
  if (!e.chunks || e.chunks->empty() || e.chunks->back().tokens.empty()) return;
  // What is brought has turns of its own.
  const auto turn = e.chunks->back().tokens.back().turn;
  if (imported) r.turns = turn;
  if (turn != static_cast<std::uint16_t>(r.turns)) return;
  r.state = turn_state::interrupted;
  ++r.turns;
  e.cut = true;
}

/// A turn has died, or its conversation was evicted under it: the tokens that
/// are known here and not on disk are written for it, so that no gap stays and
/// the record does not say `running` for ever.
void catalog_state::write_what_is_known(entry& e) {
  if (!e.chunks || e.record.positions == 0) return;
  auto ops = std::make_shared<std::vector<write_op>>();
  ops->push_back(put_conversation{e.record});
  for (std::uint32_t i = 0; i < e.chunks->size(); ++i) {
    auto& chunk = (*e.chunks)[i];
    give_up_pending(chunk);
    if (i >= chunk_of(e.durable))
      ops->push_back(put_chunk{e.record.id, i, chunk, {}, nullptr});
  }
  const auto id = e.record.id;
  const auto end = e.record.positions;
  self->request(view->disk, caf::infinite, write_ops{std::move(ops)})
      .then(
          [this, id, end](const result<ops_written>& written) {
            if (written) made_durable({id, end});
          },
          [](const caf::error& reason) {
            spdlog::warn("catalog: a turn that died was not written: {}",
                         caf::to_string(reason));
          });
}

}  // namespace lamina

// The sample of a verification: chunks drawn evenly from all whose model is
// loaded, computed again one after the other.
#include <numeric>
#include <utility>

#include "actors/request_verify.hpp"
#include "actors/rows.hpp"

namespace lamina {

/// Each candidate so far is in the sample with the same chance (Vitter 1985,
/// algorithm R).
void verify_request_state::draw(const audited_chunk& chunk) {
  if (chunk.promised.resid_post != presence::present || ask->sample == 0)
    return;
  ++candidates;
  if (sample.size() < ask->sample) return sample.push_back(chunk);
  const auto place =
      std::uniform_int_distribution<std::uint64_t>(0, candidates - 1)(random);
  if (place < sample.size()) sample[place] = chunk;
}

bool verify_request_state::can_compute(
    const conversation_record& record) const {
  const auto hosted = ctx.view->models.find(record.model);
  return hosted != ctx.view->models.end() && hosted->second.actor &&
         root_of(hosted->second.model->origin()) == record.root;
}

void verify_request_state::next_sample() {
  show_progress();
  while (!sample.empty()) {
    const auto chunk = std::move(sample.back());
    sample.pop_back();
    if (can_compute(chosen[chunk.conversation])) return locate(chunk);
    ++counts.chunks_not_recomputed;
  }
  finish();
}

/// The catalog has a conversation's tokens at hand once it was asked for them.
void verify_request_state::locate(const audited_chunk& chunk) {
  const auto& record = chosen[chunk.conversation];
  locate_positions where;
  where.who = owner_of(record);
  where.conversation = record.id;
  where.positions = {first_position(chunk.index)};
  self->request(ctx.view->catalog, caf::infinite, std::move(where))
      .then(
          [this, chunk](const locate_result& located) {
            if (ended) return;
            located ? compute(chunk) : sampled(false);
          },
          [this](const caf::error&) { sampled(false); });
}

/// A rows actor for each: it keeps what it computed.
void verify_request_state::compute(const audited_chunk& chunk) {
  auto load = load_rows::of(chosen[chunk.conversation], chunk.name, chunk.index,
                            0, chunk.rows);
  load.slots.resize(chunk.shape.slots());
  std::iota(load.slots.begin(), load.slots.end(), 0u);
  load.position_end = first_position(chunk.index) + chunk.rows;
  load.recompute = true;
  auto source = self->spawn<caf::linked>(rows, ctx.view);
  rows_source = rows_actor(source);
  self->request(rows_source, caf::infinite, std::move(load))
      .then(
          [this, chunk](const result<rows_loaded>& loaded) {
            if (ended) return;
            loaded ? compare(chunk, loaded.value()) : sampled(false);
          },
          [this](const caf::error&) { sampled(false); });
}

void verify_request_state::compare(const audited_chunk& chunk,
                                   const rows_loaded& loaded) {
  self->request(ctx.view->auditor, caf::infinite,
                compare_rows{chunk, loaded.rows})
      .then(
          [this, chunk](const comparison_result& compared) {
            if (ended) return;
            if (!compared) return stop(compared.error());
            include(found, compared.value().found);
            for (const auto& finding : compared.value().findings)
              tell(chunk, finding);
            sampled(true);
          },
          unavailable(self, ctx, "auditor"));
}

void verify_request_state::sampled(bool computed) {
  if (ended) return;
  ++(computed ? counts.chunks_recomputed : counts.chunks_not_recomputed);
  if (rows_source) {
    self->unlink_from(rows_source);
    self->send_exit(rows_source, caf::exit_reason::user_shutdown);
    rows_source = nullptr;
  }
  next_sample();
}

}  // namespace lamina

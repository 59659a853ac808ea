// The viewers of a turn: each gets every token once, as fast as it takes them,
// and then the end.
#include "actors/generation.hpp"

#include <caf/all.hpp>
#include <utility>

#include "protocol/id_text.hpp"
#include "protocol/limits.hpp"

namespace lamina {
namespace {

double milliseconds(generation_state::clock::duration d) {
  return std::chrono::duration<double, std::milli>(d).count();
}

std::string_view name_of(finish_reason r) {
  switch (r) {
    case finish_reason::length:
      return "length";
    case finish_reason::stop:
      return "stop";
    case finish_reason::end_of_text:
      return "end_of_text";
    case finish_reason::context_full:
      return "context_full";
    case finish_reason::cancelled:
      return "cancelled";
    case finish_reason::prefilled:
      return "prefilled";
    case finish_reason::unloaded:
      return "unloaded";
  }
  return "unknown";
}

}  // namespace

void generation_state::serve_all() {
  for (auto& v : viewers)
    serve(v);
  end_when_served();
}

void generation_state::serve(viewer& v) {
  if (v.taking || v.served) return;
  if (v.next < log.size()) return send_batch(v);
  if (!finished) return;
  if (auto rest = v.text.finish(); !rest.empty()) {
    v.taking = true;
    turn_tokens batch;
    batch.text = std::move(rest);
    deliver(v, std::move(batch));
    return;
  }
  if (failure) {
    self->send(v.handle, turn_failed{*failure});
  } else if (v.wait_durable && !(closing && drained())) {
    return;
  } else {
    self->send(v.handle, turn_done{done(v)});
  }
  v.served = true;
}

void generation_state::send_batch(viewer& v) {
  turn_tokens batch;
  const auto& text = plan.hosted.model->text();
  for (; v.next < log.size() && batch.tokens.size() < limits::frame_tokens_max;
       ++v.next) {
    const auto& token = log.token(v.next);
    batch.tokens.push_back({v.next, token});
    if (token.who != role::assistant || text.is_special(token.id)) continue;
    std::string_view bytes = token.bytes;
    if (last_token_text_bytes && v.next + 1 == log.size())
      bytes = bytes.substr(0, *last_token_text_bytes);
    batch.text += v.text.push(bytes);
  }
  deliver(v, std::move(batch));
}

void generation_state::deliver(viewer& v, turn_tokens batch) {
  v.taking = true;
  auto who = v.handle.address();
  self->request(v.handle, caf::infinite, std::move(batch))
      .then(
          [this, who](const tokens_taken&) {
            for (auto& other : viewers) {
              if (other.handle.address() != who) continue;
              other.taking = false;
              serve(other);
            }
            end_when_served();
          },
          [this, who](const caf::error&) { leave(who); });
}

void generation_state::leave(const caf::actor_addr& who) {
  std::erase_if(viewers,
                [&](const viewer& v) { return v.handle.address() == who; });
  std::erase_if(followers,
                [&](const follower& f) { return f.handle.address() == who; });
  if (nobody_watches() && !finished && !plan.options->keep_running)
    self->delayed_send(self, plan.abandon_after, abandon_due{abandon_epoch});
  end_when_served();
}

wire::DoneT generation_state::done(const viewer& v) const {
  wire::DoneT d;
  d.conversation = conversation_text(record.id);
  d.finish = name_of(reason);
  d.positions = log.size();
  d.durable = closing && drained() && !not_durable;
  if (not_durable) d.not_durable_because = lamina::to_string(*not_durable);
  d.prompt_tokens = answer_first - turn_first;
  d.new_tokens = log.size() - answer_first;
  d.reused_tokens = prompt_reused;
  if (d.new_tokens > 0) d.first_token_ms = milliseconds(first_token - started);
  if (last_token > first_token)
    d.tokens_per_second = static_cast<float>(
        1000.0 * (d.new_tokens - 1) / milliseconds(last_token - first_token));
  d.total_ms = milliseconds(last_token - started);
  if (v.wait_durable) d.durable_ms = milliseconds(durable - started);
  d.stop_inside_token = last_token_text_bytes.has_value();
  d.dropped_positions = dropped_positions;
  return d;
}

}  // namespace lamina

#include "actors/request_verify.hpp"

#include <algorithm>
#include <utility>

#include "actors/messages/ledger.hpp"
#include "actors/messages/session.hpp"
#include "actors/messages/supervisor.hpp"
#include "actors/view.hpp"

namespace lamina {
namespace {

/// Damages that an answer names; the rest is counted.
constexpr std::size_t damages_max = 1'000;

audited_chunk audited(const chunk_record& chunk, const capture_shape& shape,
                      std::uint32_t index, std::uint32_t conversation) {
  audited_chunk one{chunk.name, shape, index, conversation, {}, 0};
  one.promised.embed = chunk.embed;
  one.promised.resid_post = chunk.resid_post;
  one.promised.final_norm = chunk.final_norm;
  one.promised.lens = chunk.lens;
  one.rows = static_cast<std::uint32_t>(chunk.tokens.size());
  return one;
}

std::string_view to_string(defect kind) {
  switch (kind) {
    case defect::corrupt:
      return "corrupt";
    case defect::missing:
      return "missing";
    case defect::unreadable:
      return "unreadable";
    case defect::differs:
      return "differs";
  }
  return "unknown";
}

}  // namespace

void verify_request_state::stop(const error& e) {
  if (std::exchange(ended, true)) return;
  send_error(self, ctx, e);
}

void verify_request_state::run() {
  ask = ctx.body->AsVerifyCache();
  if (ask->sample > limits::verify_sample_max)
    return stop({error_code::limit_exceeded,
                 "a sample of more than " +
                     std::to_string(limits::verify_sample_max) + " chunks"});
  if (!ask->conversation.empty())
    if (auto id = read_conversation(ask->conversation); !id)
      return stop(id.error());
  self->request(ctx.view->auditor, caf::infinite, read_conversations{})
      .then(
          [this](const conversations_read& read_now) {
            if (!read_now) return stop(read_now.error());
            choose(read_now.value());
          },
          unavailable(self, ctx, "auditor"));
}

/// The asker's own; whoever runs the daemon looks at everybody's.
void verify_request_state::choose(const conversations_found& on_disk) {
  for (const auto& record : on_disk.records) {
    if (!owns(ctx.who, record) && !ctx.who.scopes.has(scope::admin)) continue;
    if (!ask->conversation.empty() &&
        conversation_text(record.id) != ask->conversation)
      continue;
    chosen.push_back(record);
    counts.chunks_total += chunks_of(record);
  }
  if (!ask->conversation.empty() && chosen.empty())
    return stop({error_code::not_found,
                 "nothing is stored of a conversation " + ask->conversation});
  if (ask->conversation.empty() && ctx.who.scopes.has(scope::admin))
    for (const auto& damaged : on_disk.passed_over)
      record_damage(0, damaged);
  next_conversation();
}

void verify_request_state::next_conversation() {
  done = 0;
  for (std::size_t i = 0; i < taken; ++i)
    done += chunks_of(chosen[i]);
  counts.chunks_checked = done;
  if (taken == chosen.size()) return next_sample();
  const auto id = chosen[taken].id;
  self->request(ctx.view->auditor, caf::infinite, read_chunks{id})
      .then(
          [this, id](const chunks_read& chunks) {
            if (ended) return;
            if (chunks) return take_chunks(chunks.value());
            ++taken;
            // Deleted since the list was made: there is nothing to verify.
            if (chunks.error().code != error_code::not_found)
              record_damage(id, chunks.error());
            next_conversation();
          },
          unavailable(self, ctx, "auditor"));
}

/// A chunk that an earlier conversation has is not read again; what was found
/// in it is told of this one, too.
void verify_request_state::take_chunks(
    const std::vector<chunk_record>& chunks) {
  const auto place = static_cast<std::uint32_t>(taken++);
  ++counts.conversations;
  auto fresh = std::make_shared<std::vector<audited_chunk>>();
  shared = 0;
  for (std::uint32_t i = 0; i < chunks.size(); ++i) {
    const auto one = audited(chunks[i], chosen[place].shape, i, place);
    const auto known = read.find(one.name);
    if (known == read.end()) {
      fresh->push_back(one);
      continue;
    }
    ++shared;
    for (const auto& finding : known->second)
      tell(one, finding);
  }
  pool = std::move(fresh);
  next_slice(0);
}

void verify_request_state::next_slice(std::size_t begin) {
  if (begin == pool->size()) return next_conversation();
  self->request(ctx.view->auditor, caf::infinite, verify_chunks{pool, begin})
      .then(
          [this, begin](const verification_result& verified) {
            if (ended) return;
            if (!verified) return stop(verified.error());
            for (auto i = begin; i < verified.value().end; ++i) {
              read.try_emplace((*pool)[i].name);
              draw((*pool)[i]);
            }
            take(verified.value());
          },
          unavailable(self, ctx, "auditor"));
}

void verify_request_state::take(const chunks_verified& verified) {
  counts.values += verified.values;
  counts.value_bytes += verified.value_bytes;
  counts.lens_blocks += verified.lens_blocks;
  counts.chunks_checked = done + shared + verified.end;
  include(found, verified.found);
  for (const auto& finding : verified.findings) {
    const auto& chunk = (*pool)[finding.chunk];
    read[chunk.name].push_back(finding);
    self->send(ctx.view->supervisor,
               damage_found{"chunk " + lamina::to_string(chunk.name) + ": " +
                            finding.what});
    tell(chunk, finding);
  }
  show_progress();
  next_slice(verified.end);
}

void verify_request_state::tell(const audited_chunk& chunk,
                                const finding& found_there) {
  mark(chunk, found_there);
  add_damage(chunk, found_there);
}

/// What cannot be read is marked, so that it is computed and stored again.
void verify_request_state::mark(const audited_chunk& chunk,
                                const finding& found_there) {
  if (found_there.kind != defect::corrupt &&
      found_there.kind != defect::missing)
    return;
  chunk_found news{chosen[chunk.conversation].id,
                   chunk.index,
                   chunk.name,
                   0,
                   std::nullopt,
                   std::nullopt,
                   found_there.at};
  (found_there.at ? news.activations : news.lens) = presence::corrupt;
  self->send(ctx.view->catalog, std::move(news));
}

void verify_request_state::add_damage(const audited_chunk& chunk,
                                      const finding& found_there) {
  ++counts.damages_found;
  if (counts.damages.size() >= damages_max) return;
  auto w = std::make_unique<wire::DamageT>();
  w->conversation = conversation_text(chosen[chunk.conversation].id);
  w->chunk = chunk.index;
  w->name = lamina::to_string(chunk.name);
  w->position_begin = first_position(chunk.index);
  w->position_end = w->position_begin + chunk.rows;
  w->part = found_there.at ? lamina::to_string(*found_there.at) : "lens";
  w->layer_begin = found_there.layer_begin;
  w->layer_end = found_there.layer_end;
  w->kind = to_string(found_there.kind);
  w->what = found_there.what;
  counts.damages.push_back(std::move(w));
}

/// A conversation's record, or one of its chunks', that cannot be read.
void verify_request_state::record_damage(conversation_id id,
                                         const error& what) {
  ++counts.damages_found;
  self->send(ctx.view->supervisor, damage_found{lamina::to_string(what)});
  if (counts.damages.size() >= damages_max) return;
  auto w = std::make_unique<wire::DamageT>();
  if (id != 0) w->conversation = conversation_text(id);
  w->part = "record";
  w->kind = to_string(defect::corrupt);
  w->what = lamina::to_string(what);
  counts.damages.push_back(std::move(w));
}

// ---- the answer -------------------------------------------------------------

wire::VerifyResultT verify_request_state::answer() const {
  wire::VerifyResultT a = counts;
  for (const auto& [kept, sums] : found) {
    auto w = std::make_unique<wire::FidelityT>();
    w->quality = lamina::to_string(kept);
    w->values = sums.values;
    w->stored_bytes = sums.stored_bytes;
    w->stored_error_max = sums.stored_error_max;
    w->stored_error_mean = static_cast<float>(sums.stored_error_mean());
    w->rows_compared = sums.rows_compared;
    w->rows_identical = sums.rows_identical;
    w->true_error_max = sums.true_error_max;
    w->true_error_mean = static_cast<float>(sums.true_error_mean());
    a.fidelities.push_back(std::move(w));
  }
  a.took_us = ctx.elapsed_us();
  return a;
}

/// A reader that is slow sees fewer frames, each with all there is.
void verify_request_state::show_progress() {
  constexpr auto progress_every = std::chrono::milliseconds(100);
  const auto now = std::chrono::steady_clock::now();
  if (frame_out || now - last_frame < progress_every) return;
  frame_out = true;
  last_frame = now;
  send_response(self, ctx, frame_kind::response, make_body(answer()), {},
                [this] { frame_out = false; });
}

void verify_request_state::finish() {
  ended = true;
  auto a = answer();
  a.last = true;
  send_terminal(self, ctx, make_body(std::move(a)));
}

request_actor spawn_verify_request(caf::actor_system& sys,
                                   request_context ctx) {
  using pointer = verify_request_state::pointer;
  return sys.spawn(
      [](pointer self, request_context given) -> request_actor::behavior_type {
        self->state.ctx = std::move(given);
        self->state.run();
        return {[self](const cancel_request&) {
          self->state.stop({error_code::cancelled, "cancelled by the client"});
        }};
      },
      std::move(ctx));
}

}  // namespace lamina

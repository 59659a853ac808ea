#include "actors/generation.hpp"

#include <spdlog/spdlog.h>

#include <caf/all.hpp>
#include <set>
#include <utility>

#include "actors/messages/catalog.hpp"
#include "actors/messages/ledger.hpp"
#include "actors/messages/shard.hpp"
#include "actors/messages/tokenizer.hpp"
#include "actors/messages/tokens.hpp"
#include "actors/principal.hpp"

namespace lamina {

// ---- beginning --------------------------------------------------------------

generation_state::~generation_state() {
  // The model outlives it, and would keep the memory of each turn for the sake
  // of who watched it.
  if (plan.hosted.actor) self->demonitor(plan.hosted.actor.address());
  for (auto& [promise, watch] : early)
    promise.deliver(watch_result(
        fail(error_code::unavailable, "the turn ended before it began")));
  // One that died leaves rows in flight, which nothing would ever evict, and
  // lens records of a tail whose name the next turn takes.
  if (!view || !sequence || drained()) return;
  for (auto i = stored_next; i < log.chunks().size(); ++i)
    caf::anon_send(view->shard_of(log.chunk(i).name),
                   discard_chunk{log.chunk(i).name});
}

std::vector<token_record> generation_state::prompt_tokens(
    const std::vector<token_id>& ids) const {
  const auto& text = plan.hosted.model->text();
  std::vector<token_record> tokens;
  auto turn = static_cast<std::uint16_t>(record.turns);
  for (auto id : ids) {
    auto who = text.is_special(id) ? role::system : role::user;
    tokens.push_back({id, who, turn, std::string(text.bytes_of(id))});
  }
  return tokens;
}

void generation_state::start() {
  const auto& options = *plan.options;
  log = turn_log(record.id, record.root, std::move(plan.chunks),
                 {options.capture, options.lens});
  kept = options.kept.value_or(plan.hosted.kept);
  turn_first = log.size();
  known_chunks = static_cast<std::uint32_t>(log.chunks().size());
  if (options.prompt.empty())
    return fail_turn({error_code::invalid_argument, "the prompt is empty"});
  self->request(view->tokenizer, caf::infinite,
                encode_prompt{plan.hosted.model, plan.options, turn_first == 0})
      .then(
          [this](const token_ids_result& ids) {
            if (!ids) return fail_turn(ids.error());
            begin(ids.value());
          },
          [this](const caf::error& e) {
            fail_turn({error_code::unavailable,
                       "the tokenizer did not answer: " + to_string(e)});
          });
}

/// The chunk that the turn goes on in, or the first one that an earlier turn
/// could not store: it goes with this one.
position_t generation_state::rewritten_from() const {
  return first_position(chunk_of(std::min(turn_first, plan.stored)));
}

/// A new conversation need not capture what another one has under the same
/// names.
void generation_state::begin(const std::vector<token_id>& prompt) {
  const bool asks = plan.options->capture && turn_first == 0 &&
                    prompt.size() > chunk_positions;
  return asks ? share(prompt) : submit(prompt);
}

/// A hit in the KV cache says nothing about activations: the ledger is asked.
void generation_state::share(const std::vector<token_id>& prompt) {
  find_shared_chunks question{record.id, chunk_keys(record.root, prompt), kept,
                              plan.options->lens};
  self->request(view->catalog, caf::infinite, std::move(question))
      .then(
          [this, prompt](const shared_chunks& found) {
            shared = found.lens;
            submit(prompt);
          },
          [this, prompt](const caf::error&) { submit(prompt); });
}

void generation_state::submit(const std::vector<token_id>& prompt) {
  const auto& options = *plan.options;
  auto request = std::make_shared<sequence_request>();
  request->conversation = record.id;
  request->owner = owner_of(record).name();
  request->session = plan.session;
  request->capture = options.capture;
  const auto begin = rewritten_from();
  request->capture_from =
      options.capture ? std::min(log.capture_from(), begin) : begin;
  if (!shared.empty())
    request->capture_from =
        first_position(static_cast<std::uint32_t>(shared.size()));
  else if (plan.recompute_on_read)
    request->capture_required_from = begin;
  request->tokens = log.ids();
  request->tokens.insert(request->tokens.end(), prompt.begin(), prompt.end());
  request->max_new_tokens = options.max_new_tokens;
  request->stop = options.stop;
  request->sampling = options.sampling;
  if (options.model_sampling) {
    request->sampling = plan.hosted.model->description().usual_sampling;
    request->sampling.seed = options.sampling.seed;
  }
  request->lens = options.lens;
  self->request(plan.hosted.actor, caf::infinite,
                begin_sequence{request, sequence_sink(self), when_full()})
      .then(
          [this, tokens = prompt_tokens(prompt)](
              const sequence_begun& admitted) mutable {
            if (!admitted) return fail_turn(admitted.error());
            begun(admitted.value(), std::move(tokens));
          },
          [this](const caf::error& e) {
            fail_turn({error_code::unavailable,
                       "the model did not answer: " + to_string(e)});
          });
}

backpressure generation_state::when_full() const {
  return plan.options->when_full.value_or(plan.hosted.when_full);
}

void generation_state::record_prompt(std::vector<token_record> tokens) {
  // Chunks that lacked activations are captured again.
  std::set<std::uint32_t> touched;
  for (auto i = first_written; i < log.chunks().size(); ++i) {
    log.promise(i);
    touched.insert(i);
  }
  for (auto& t : tokens)
    touched.insert(log.append(std::move(t)));
  for (std::uint32_t i = 0; i < shared.size(); ++i) {
    auto& chunk = log.chunk(i);
    chunk.embed = chunk.resid_post = chunk.final_norm = presence::present;
    chunk.lens = shared[i];
  }
  answer_first = log.size();
  for (auto index : touched)
    self->send(view->catalog, update_chunk{record.id, index, log.chunk(index)});
}

/// They are committed at once, as they are: the store has their values.
void generation_state::refer_to_shared() {
  for (std::uint32_t i = 0; i < shared.size(); ++i)
    seal_without_rows(i);
  commit_sealed();
}

/// The model says how far it had to go back.
void generation_state::begun(const sequence_admitted& admitted,
                             std::vector<token_record> tokens) {
  sealed_next = chunk_of(plan.options->capture ? admitted.capture_from
                                               : rewritten_from());
  // Shared chunks are this conversation's to write, and nobody's to capture.
  begin_at(shared.empty() ? sealed_next : 0);
  lens_end = shared.empty()
                 ? std::min(turn_first, first_position(first_written))
                 : first_position(sealed_next);
  record_prompt(std::move(tokens));
  sequence = admitted.id;
  ++record.turns;
  // Before anything else, so that eviction leaves what there is alone.
  record.state = turn_state::running;
  if (turn_first != 0)
    write({put_conversation{record}}, [](const result<ops_written>&) {});
  refer_to_shared();
  if (cancel_wanted) cancel();
  for (auto& [promise, watch] : std::exchange(early, {}))
    promise.deliver(admit(watch));
}

caf::result<watch_result> generation_state::watch(const watch_turn& m) {
  if (!sequence && !finished) {
    auto promise = self->make_response_promise<watch_promise>();
    early.emplace_back(promise, m);
    return promise;
  }
  return admit(m);
}

watch_result generation_state::admit(const watch_turn& m) {
  watched = true;
  // The answer goes out before the first tokens: they are a message to itself
  // away.
  self->send(self, abandon_due{++abandon_epoch});
  if (failure && came_to_nothing()) return *failure;
  viewer v;
  v.handle = m.viewer;
  v.next = std::min(m.from.value_or(turn_first), log.size());
  v.wait_durable = m.wait_durable;
  self->monitor(m.viewer);
  viewers.push_back(std::move(v));
  return turn_watched{record.id, record.model,
                      static_cast<std::uint16_t>(record.turns - 1),
                      viewers.back().next};
}

// ---- from the model ---------------------------------------------------------

void generation_state::cancel() {
  cancel_wanted = true;
  if (sequence && !finished)
    self->send(plan.hosted.actor, cancel_sequence{*sequence});
}

void generation_state::advance(const sequence_progress& p) {
  if (p.last_token_text_bytes) last_token_text_bytes = p.last_token_text_bytes;
  prompt_reused = std::max(prompt_reused, p.prompt_reused);
  for (auto id : p.tokens)
    add_token(id);
  for (const auto& records : p.lens)
    add_lens(*records);
  for (const auto& ready : p.rows)
    add_rows(ready);
  if (p.finished) {
    finished = true;
    reason = *p.finished;
    ended_as = end_state();
  }
  if (!plan.options->capture) seal_uncaptured();
  if (p.finished) finish();
  serve_all();
}

void generation_state::add_token(token_id id) {
  const auto& text = plan.hosted.model->text();
  auto turn = static_cast<std::uint16_t>(record.turns - 1);
  last_token = clock::now();
  if (log.size() == answer_first) first_token = last_token;
  auto index = chunk_of(log.size());
  auto before = index < log.chunks().size() ? log.chunk(index).name : digest{};
  log.append({id, role::assistant, turn, std::string(text.bytes_of(id))});
  const auto& chunk = log.chunk(index);
  if (row_in_chunk(log.size() - 1) != 0 && chunk.name != before) {
    // The tail became a full chunk: what is in memory moves to its new name.
    const auto& shard = view->shard_of(chunk.name);
    if (auto it = rows.find(index); it != rows.end())
      self->send(shard, publish_rows{chunk.name, it->second});
    if (auto it = lens.find(index); it != lens.end())
      self->send(shard, publish_lens_block{
                            chunk.name,
                            std::make_shared<const lens_block>(it->second)});
    self->send(view->shard_of(before), discard_chunk{before});
  }
  self->send(view->catalog, update_chunk{record.id, index, chunk});
}

void generation_state::add_rows(const ready_rows& ready) {
  auto index = chunk_of(ready.chunk->first());
  if (ready.begin != 0 || index < sealed_next) {
    predecessor = ready;  // forwarded only to rate the token after it
    return;
  }
  const auto& chunk = log.chunk(index);
  rows[index] = ready;
  self->send(view->shard_of(chunk.name), publish_rows{chunk.name, ready});
  if (plan.options->lens == lens_mode::on_demand)
    lens_at(first_position(index) + ready.end);
  if (ready.end == chunk_positions) seal(index, ready);
}

void generation_state::add_lens(const lens_rows& records) {
  auto last = records.first + records.count() - 1;
  for (auto index = chunk_of(records.first); index <= chunk_of(last); ++index) {
    if (index < sealed_next) continue;
    auto [it, added] = lens.try_emplace(index);
    if (added) it->second = make_lens_block(records.layers);
    merge(it->second, first_position(index), records);
    const auto& chunk_name = log.chunk(index).name;
    self->send(view->shard_of(chunk_name),
               publish_lens_block{
                   chunk_name, std::make_shared<const lens_block>(it->second)});
  }
  lens_at(last + 1);
}

void generation_state::finish() {
  for (auto& [index, ready] : std::map(rows))
    seal(index, ready);
  flush_uncaptured();
  self->send(view->catalog, close_turn{record.id, end_state()});
  end_when_served();
}

void generation_state::fail_turn(const error& why) {
  if (finished) return;
  finished = true;
  failure = why;
  ended_as = end_state();
  spdlog::warn("generation: {}: {}", record.id, lamina::to_string(why));
  if (!early.empty()) watched = true;
  for (auto& [promise, watch] : std::exchange(early, {}))
    promise.deliver(watch_result(why));
  for (auto& [index, ready] : std::map(rows))
    seal(index, ready);
  if (sequence) flush_uncaptured();
  self->send(view->catalog, close_turn{record.id, end_state()});
  serve_all();
  end_when_served();
}

generation_self::behavior_type generation(
    generation_state::pointer self, std::shared_ptr<generation_plan> plan) {
  auto& state = self->state;
  state.started = state.last_token = generation_state::clock::now();
  state.plan = std::move(*plan);
  state.record = state.plan.record;
  state.view = state.plan.view;
  self->set_down_handler([&state](const caf::down_msg& down) {
    if (down.source ==
        caf::actor_cast<caf::actor_addr>(state.plan.hosted.actor))
      return state.fail_turn(
          {error_code::unavailable,
           "the model actor stopped: " + to_string(down.reason)});
    state.leave(down.source);
  });
  self->monitor(state.plan.hosted.actor);
  self->delayed_send(self, state.plan.abandon_after, abandon_due{0});
  state.start();
  return {
      [&state](const watch_turn& m) { return state.watch(m); },
      [&state](const follow_lens& m) { return state.follow(m); },
      [&state](const leave_turn& m) { state.leave(m.viewer.address()); },
      [&state](const cancel_turn&) { state.cancel(); },
      [&state](const mark_chunk& m) { state.note(m); },
      [&state](const amend_turn& m) { return state.amend(m); },
      [&state](const sequence_advanced& m) { state.advance(*m.progress); },
      [&state](const sequence_failed& m) { state.fail_turn(m.reason); },
      [&state](const view_changed& m) { state.view = m.view; },
      [&state](const end_due&) { state.self->quit(); },
      [&state](const abandon_due& m) {
        if (m.epoch != state.abandon_epoch) return;
        state.watched = true;  // or nobody came for it
        if (!state.nobody_watches() || state.finished) return state.serve_all();
        if (!state.plan.options->keep_running) state.cancel();
      },
  };
}

}  // namespace lamina

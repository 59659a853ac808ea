#include "actors/generation.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <caf/all.hpp>
#include <set>
#include <utility>

#include "protocol/id_text.hpp"

namespace lamina {
namespace {

double milliseconds(generation_state::clock::duration d) {
  return std::chrono::duration<double, std::milli>(d).count();
}

std::string_view name_of(finish_reason r) {
  switch (r) {
    case finish_reason::length: return "length";
    case finish_reason::stop: return "stop";
    case finish_reason::end_of_text: return "end_of_text";
    case finish_reason::context_full: return "context_full";
    case finish_reason::cancelled: return "cancelled";
    case finish_reason::prefilled: return "prefilled";
  }
  return "unknown";
}

error gone(std::string_view who, const caf::error& e) {
  return {error_code::unavailable,
          "the " + std::string(who) + " did not answer: " + to_string(e)};
}

/// The first bytes of a prompt, for lists; a cut character is left out.
std::string preview_of(std::string_view prompt) {
  constexpr std::size_t preview_bytes_max = 96;
  return utf8_stream{}.push(prompt.substr(0, preview_bytes_max));
}

void set_activations(chunk_record& chunk, presence p) {
  chunk.embed = chunk.resid_post = chunk.final_norm = p;
}

}  // namespace

// ---- beginning --------------------------------------------------------------

generation_state::~generation_state() {
  for (auto& [promise, watch] : early)
    promise.deliver(watch_result(
        fail(error_code::unavailable, "the turn ended before it began")));
}

result<std::vector<token_record>> generation_state::prompt_tokens() const {
  const auto& text = plan.hosted.model->text();
  const auto& prompt = plan.options->prompt;
  bool first = log.size() == 0;
  BOOST_OUTCOME_TRY(ids, text.encode(prompt, {first, false}));
  if (ids.empty() && first)
    return fail(error_code::invalid_argument,
                "the prompt is empty, and so is the conversation");
  std::vector<token_record> tokens;
  auto turn = static_cast<std::uint16_t>(plan.record.turns);
  for (auto id : ids) {
    auto who = text.is_special(id) ? role::system : role::user;
    tokens.push_back({id, who, turn, std::string(text.bytes_of(id))});
  }
  return tokens;
}

void generation_state::start() {
  const auto& options = *plan.options;
  log = turn_log(plan.record.id, plan.record.root, std::move(plan.chunks),
                 {options.capture, options.lens});
  turn_first = log.size();
  auto prompt = prompt_tokens();
  if (!prompt) return fail_turn(prompt.error());
  auto request = std::make_shared<sequence_request>();
  request->conversation = plan.record.id;
  request->capture = options.capture;
  request->capture_from = options.capture ? log.capture_from() : turn_first;
  sealed_next = chunk_of(std::min(request->capture_from, turn_first));
  commits = in_order<sealed_chunk>(sealed_next);
  request->tokens = log.ids();
  for (const auto& t : prompt.value()) request->tokens.push_back(t.id);
  request->max_new_tokens = options.max_new_tokens;
  request->stop = options.stop;
  request->sampling = options.sampling;
  request->lens = options.lens;
  self->request(plan.hosted.actor, caf::infinite,
                begin_sequence{request, sequence_sink(self)})
      .then(
          [this, tokens = std::move(prompt).value()](
              const sequence_begun& id) mutable {
            if (!id) return fail_turn(id.error());
            std::set<std::uint32_t> touched;
            for (auto& t : tokens) touched.insert(log.append(std::move(t)));
            answer_first = log.size();
            for (auto index : touched)
              self->send(plan.view->catalog,
                         update_chunk{plan.record.id, index, log.chunk(index)});
            begun(id.value());
          },
          [this](const caf::error& e) { fail_turn(gone("model", e)); });
}

void generation_state::begun(sequence_id id) {
  sequence = id;
  if (plan.record.turns == 0)
    plan.record.preview = preview_of(plan.options->prompt);
  ++plan.record.turns;
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
  if (failure && came_to_nothing())
    return fail(failure->code, failure->context);
  viewer v;
  v.handle = m.viewer;
  v.next = std::min(m.from.value_or(turn_first), log.size());
  v.wait_durable = m.wait_durable;
  self->monitor(m.viewer);
  viewers.push_back(std::move(v));
  return turn_watched{plan.record.id, plan.record.model,
                      static_cast<std::uint16_t>(plan.record.turns - 1),
                      viewers.back().next};
}

// ---- from the model ---------------------------------------------------------

void generation_state::advance(const sequence_progress& p) {
  if (p.finished) {
    finished = true;
    reason = *p.finished;
    last_token_text_bytes = p.last_token_text_bytes;
  }
  prompt_reused = std::max(prompt_reused, p.prompt_reused);
  for (auto id : p.tokens) add_token(id);
  for (const auto& records : p.lens) add_lens(*records);
  for (const auto& ready : p.rows) add_rows(ready);
  if (p.finished) finish(p);
  serve_all();
}

void generation_state::add_token(token_id id) {
  const auto& text = plan.hosted.model->text();
  auto turn = static_cast<std::uint16_t>(plan.record.turns - 1);
  last_token = clock::now();
  if (log.size() == answer_first) first_token = last_token;
  auto index = chunk_of(log.size());
  auto before = index < log.chunks().size() ? log.chunk(index).name : digest{};
  log.append({id, role::assistant, turn, std::string(text.bytes_of(id))});
  const auto& chunk = log.chunk(index);
  if (row_in_chunk(log.size() - 1) != 0 && chunk.name != before) {
    // The tail became a full chunk: what is in memory moves to its new name.
    const auto& shard = plan.view->shard_of(chunk.name);
    if (auto it = rows.find(index); it != rows.end())
      self->send(shard, publish_rows{chunk.name, it->second});
    if (auto it = lens.find(index); it != lens.end())
      self->send(shard, publish_lens_block{
                            chunk.name,
                            std::make_shared<const lens_block>(it->second)});
    self->send(plan.view->shard_of(before), discard_chunk{before});
  }
  self->send(plan.view->catalog, update_chunk{plan.record.id, index, chunk});
}

void generation_state::add_rows(const ready_rows& ready) {
  auto index = chunk_of(ready.chunk->first());
  if (ready.begin != 0 || index < sealed_next) {
    predecessor = ready;  // forwarded only to rate the token after it
    return;
  }
  const auto& chunk = log.chunk(index);
  rows[index] = ready;
  self->send(plan.view->shard_of(chunk.name), publish_rows{chunk.name, ready});
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
    self->send(plan.view->shard_of(chunk_name),
               publish_lens_block{
                   chunk_name, std::make_shared<const lens_block>(it->second)});
  }
}

void generation_state::finish(const sequence_progress&) {
  for (auto& [index, ready] : std::map(rows)) seal(index, ready);
  flush_uncaptured();
  self->send(plan.view->catalog, close_turn{plan.record.id, end_state()});
  end_when_served();
}

void generation_state::fail_turn(const error& why) {
  if (finished) return;
  finished = true;
  failure = why;
  spdlog::warn("generation {}: {}", plan.record.id, lamina::to_string(why));
  for (auto& [promise, watch] : std::exchange(early, {}))
    promise.deliver(watch_result(fail(why.code, why.context)));
  for (auto& [index, ready] : std::map(rows)) seal(index, ready);
  if (sequence) flush_uncaptured();
  self->send(plan.view->catalog, close_turn{plan.record.id, end_state()});
  serve_all();
  end_when_served();
}

// ---- write path -------------------------------------------------------------

std::optional<turn_state> generation_state::end_state() const {
  if (came_to_nothing()) return std::nullopt;
  if (failure) return turn_state::failed;
  return reason == finish_reason::cancelled ? turn_state::cancelled
                                            : turn_state::complete;
}

/// The rows of a chunk are complete, or all there will be.
void generation_state::seal(std::uint32_t index, const ready_rows& ready) {
  // A chunk before this one may have lost its rows; it goes without.
  while (sealed_next < index) {
    commits.put(sealed_next, {sealed_next, {}, 0});
    ++sealed_next;
  }
  encode(index, ready);
  if (plan.options->lens == lens_mode::deferred) defer_lens(index, ready);
  predecessor = ready;
  rows.erase(index);
  sealed_next = index + 1;
}

void generation_state::encode(std::uint32_t index, const ready_rows& ready) {
  ++outstanding;
  auto chunk_name = log.chunk(index).name;
  auto credit = ready.chunk->bytes();
  self->request(plan.view->codec_of(chunk_name), caf::infinite,
                encode_rows{chunk_name, ready})
      .then(
          [this, index, chunk_name, credit](const rows_encoded& values) {
            --outstanding;
            self->send(plan.view->shard_of(chunk_name), publish_values{chunk_name, values});
            commits.put(index, {index, values, credit});
            commit_sealed();
          },
          [this, index, chunk_name, credit](const caf::error& e) {
            --outstanding;
            lose_durability(gone("codec", e));
            self->send(plan.view->shard_of(chunk_name), discard_chunk{chunk_name});
            commits.put(index, {index, {}, credit});
            commit_sealed();
          });
}

void generation_state::defer_lens(std::uint32_t index,
                                  const ready_rows& ready) {
  auto input = std::make_shared<lens_input>();
  input->rows = ready;
  if (predecessor.chunk && predecessor.end == chunk_positions &&
      chunk_of(predecessor.chunk->first()) + 1 == index)
    input->predecessor = predecessor;
  for (const auto& t : log.chunk(index).tokens) input->tokens.push_back(t.id);
  input->tokens.resize(ready.end);
  ++outstanding;
  auto chunk_name = log.chunk(index).name;
  self->request(plan.view->lens_backlog, caf::infinite,
                compute_lens_rows{plan.hosted.model, input})
      .then(
          [this, index, chunk_name](const lens_computed& computed) {
            --outstanding;
            lens_ready(index, chunk_name, computed ? computed.value() : nullptr);
          },
          [this, index, chunk_name](const caf::error&) {
            --outstanding;
            lens_ready(index, chunk_name, nullptr);
          });
}

/// Null rows: refused or failed, the records are computed when asked for.
void generation_state::lens_ready(std::uint32_t index, const digest& chunk_name,
                                  const lens_rows_ptr& records) {
  if (!records) {
    mark(index, chunk_name, std::nullopt, presence::on_demand);
    return end_when_served();
  }
  auto first = first_position(index);
  self->send(plan.view->shard_of(chunk_name), publish_lens{chunk_name, first, records});
  auto block = std::make_shared<lens_block>(make_lens_block(records->layers));
  merge(*block, first, *records);
  write({put_lens{chunk_name, std::move(block)}},
        [this, index, chunk_name](const std::optional<error>& failed) {
          mark(index, chunk_name, std::nullopt,
               failed ? presence::on_demand : presence::present);
        });
}

/// Chunks of a turn without capture, and those whose rows never came.
void generation_state::flush_uncaptured() {
  for (; sealed_next < log.chunks().size(); ++sealed_next)
    commits.put(sealed_next, {sealed_next, {}, 0});
  commit_sealed();
}

void generation_state::commit_sealed() {
  while (auto chunk = commits.take()) commit(std::move(*chunk));
}

void generation_state::commit(sealed_chunk sealed) {
  auto& chunk = log.chunk(sealed.index);
  auto record = chunk;
  if (chunk.resid_post == presence::pending) {
    auto state = sealed.values.empty() ? presence::dropped : presence::present;
    set_activations(record, state);
    if (state == presence::dropped)
      dropped_positions += static_cast<std::uint32_t>(record.tokens.size());
  }
  lens_block_ptr block;
  if (auto it = lens.find(sealed.index); it != lens.end()) {
    block = std::make_shared<const lens_block>(std::move(it->second));
    lens.erase(it);
  }
  if (record.lens == presence::pending)
    record.lens = block ? presence::present : presence::on_demand;
  bool last = finished && sealed.index + 1 == log.chunks().size();
  plan.record.positions = static_cast<position_t>(
      first_position(sealed.index) + record.tokens.size());
  plan.record.state = last ? *end_state() : turn_state::running;
  auto lens_state = record.lens;
  write({put_conversation{plan.record},
         put_chunk{plan.record.id, sealed.index, std::move(record),
                   sealed.values, block}},
        [this, sealed, chunk_name = chunk.name,
         lens_state](const std::optional<error>& failed) {
          committed(sealed, chunk_name, failed);
          if (plan.options->lens == lens_mode::eager)
            mark(sealed.index, chunk_name, std::nullopt, lens_state);
        });
}

void generation_state::committed(const sealed_chunk& sealed, const digest& chunk_name,
                                 const std::optional<error>& failed) {
  if (sequence && sealed.credit != 0)
    self->send(plan.hosted.actor, return_credit{*sequence, sealed.credit});
  bool pending = log.chunk(sealed.index).resid_post == presence::pending;
  if (pending)
    mark(sealed.index, chunk_name,
         failed || sealed.values.empty() ? presence::dropped
                                         : presence::present,
         std::nullopt);
  auto end = first_position(sealed.index) + log.chunk(sealed.index).tokens.size();
  if (!failed)
    self->send(plan.view->catalog,
               positions_made_durable{plan.record.id,
                                      static_cast<position_t>(end)});
}

/// The turn's last words: final states of its chunks and of itself.
void generation_state::commit_end() {
  closing = true;
  plan.record.state = *end_state();
  plan.record.positions = log.size();
  std::vector<write_op> ops{put_conversation{plan.record}};
  for (auto i = chunk_of(turn_first); i < log.chunks().size(); ++i)
    ops.push_back(put_chunk{plan.record.id, i, log.chunk(i), {}, nullptr});
  write(std::move(ops), [this](const std::optional<error>& failed) {
    durable = clock::now();
    if (!failed && !not_durable)
      self->send(plan.view->catalog,
                 positions_made_durable{plan.record.id, log.size()});
    serve_all();
  });
}

void generation_state::write(std::vector<write_op> ops,
                             std::function<void(std::optional<error>)> then) {
  ++outstanding;
  self->request(
          plan.view->disk, caf::infinite,
          write_ops{
              std::make_shared<const std::vector<write_op>>(std::move(ops))})
      .then(
          [this, then](const result<ops_written>& written) {
            --outstanding;
            if (!written) lose_durability(written.error());
            then(written ? std::nullopt : std::optional(written.error()));
            end_when_served();
          },
          [this, then](const caf::error& e) {
            --outstanding;
            auto why = gone("disk", e);
            lose_durability(why);
            then(why);
            end_when_served();
          });
}

void generation_state::mark(std::uint32_t index, const digest& chunk_name,
                            std::optional<presence> activations,
                            std::optional<presence> records) {
  auto& chunk = log.chunk(index);
  if (chunk.name == chunk_name) {
    if (activations) set_activations(chunk, *activations);
    if (records) chunk.lens = *records;
  }
  self->send(plan.view->catalog, mark_chunk{plan.record.id, index, chunk_name,
                                            activations, records});
}

caf::result<acknowledgement> generation_state::pin(bool pinned) {
  plan.record.pinned = pinned;
  using promise_type = caf::typed_response_promise<acknowledgement>;
  auto promise = self->make_response_promise<promise_type>();
  write({put_conversation{plan.record}},
        [promise](const std::optional<error>& failed) mutable {
          promise.deliver(failed ? acknowledgement(fail(failed->code,
                                                     failed->context))
                                 : acknowledgement(acknowledged{}));
        });
  return promise;
}

void generation_state::lose_durability(const error& why) {
  if (!not_durable) not_durable = why;
}

// ---- viewers ----------------------------------------------------------------

void generation_state::serve_all() {
  for (auto& v : viewers) serve(v);
  end_when_served();
}

void generation_state::serve(viewer& v) {
  if (v.taking) return;
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
  for (; v.next < log.size(); ++v.next) {
    const auto& token = log.token(v.next);
    batch.tokens.push_back({v.next, token});
    if (token.who != role::assistant || text.is_special(token.id)) continue;
    std::string_view bytes = token.bytes;
    if (finished && last_token_text_bytes && v.next + 1 == log.size())
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
  if (viewers.empty() && !finished && !plan.options->keep_running)
    self->delayed_send(self, plan.abandon_after, abandon_due{abandon_epoch});
  end_when_served();
}

wire::DoneT generation_state::done(const viewer& v) const {
  wire::DoneT d;
  d.conversation = conversation_text(plan.record.id);
  d.finish = name_of(reason);
  d.positions = log.size();
  d.durable = closing && drained() && !not_durable;
  if (not_durable) d.not_durable_because = lamina::to_string(*not_durable);
  d.prompt_tokens = answer_first - turn_first;
  d.new_tokens = log.size() - answer_first;
  d.reused_tokens = prompt_reused;
  if (d.new_tokens > 0) d.first_token_ms = milliseconds(first_token - started);
  if (d.new_tokens > 1)
    d.tokens_per_second = static_cast<float>(
        1000.0 * (d.new_tokens - 1) / milliseconds(last_token - first_token));
  d.total_ms = milliseconds(last_token - started);
  if (v.wait_durable) d.durable_ms = milliseconds(durable - started);
  d.stop_inside_token = last_token_text_bytes.has_value();
  d.dropped_positions = dropped_positions;
  return d;
}

/// After the text: the last commit, and when everybody is served the end.
void generation_state::end_when_served() {
  if (!finished) return;
  if (!closing && outstanding == 0) {
    if (came_to_nothing()) {
      closing = true;
    } else {
      commit_end();
    }
  }
  if (!(closing && drained() && watched)) return;
  for (auto& v : viewers)
    if (!v.served) return;
  self->quit();
}

generation_self::behavior_type generation(
    generation_state::pointer self, std::shared_ptr<generation_plan> plan) {
  auto& state = self->state;
  state.started = generation_state::clock::now();
  state.plan = std::move(*plan);
  self->set_down_handler([&state](const caf::down_msg& down) {
    if (down.source == caf::actor_cast<caf::actor_addr>(state.plan.hosted.actor))
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
      [&state](const leave_turn& m) { state.leave(m.viewer.address()); },
      [&state, self](const cancel_turn&) {
        if (state.sequence)
          self->send(state.plan.hosted.actor,
                     cancel_sequence{*state.sequence});
      },
      [&state](const pin_turn& m) { return state.pin(m.pinned); },
      [&state](const sequence_advanced& m) { state.advance(*m.progress); },
      [&state](const sequence_failed& m) { state.fail_turn(m.reason); },
      [&state, self](const abandon_due& m) {
        if (m.epoch != state.abandon_epoch) return;
        state.watched = true;  // or nobody came for it
        if (!state.viewers.empty() || state.finished) return state.serve_all();
        if (state.sequence && !state.plan.options->keep_running)
          self->send(state.plan.hosted.actor,
                     cancel_sequence{*state.sequence});
      },
  };
}

}  // namespace lamina

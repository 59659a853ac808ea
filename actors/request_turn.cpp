// Generate and Attach: opens or finds a turn and follows it as a viewer.
#include <utility>

#include "actors/messages/catalog.hpp"
#include "actors/messages/turn.hpp"
#include "actors/model/model.hpp"
#include "actors/model/tokenizer/tokenizer.hpp"
#include "actors/request.hpp"
#include "actors/view.hpp"

namespace lamina {
namespace {

using turn_self = request_actor::extend_with<viewer_actor>;

struct turn_request_state {
  using pointer = turn_self::stateful_pointer<turn_request_state>;
  explicit turn_request_state(pointer actor) : self(actor) {}

  void generate(const wire::GenerateT& g);
  void attach(const wire::AttachT& a);
  void watch(const turn_opened& turn, std::optional<position_t> from,
             bool wait_durable);
  void show_ended(conversation_id id, position_t from);
  void stream_ended(position_t from);
  void send_ended_chunk();
  void end_stream();
  caf::result<tokens_taken> take(const turn_tokens& m);
  void cancel();

  static inline const char* name = "request_turn";
  pointer self;
  request_context ctx;
  writer_actor generation;
  bool owns_turn = false;  // Generate: cancelling means the turn
  bool cancel_wanted = false;
  bool joined = false;  // the turn tells us what happens
  bool ended = false;   // the terminal frame is on its way
  // Of a conversation in which nothing runs: what is sent, chunk by chunk.
  std::shared_ptr<const conversation_shown> past;
  position_t past_from = 0;
  std::uint32_t past_chunk = 0;
  utf8_stream past_text;
};

/// What is wrong with a request to generate, if anything.
std::optional<error> check(const wire::GenerateT& g) {
  auto bad = [](std::string what) {
    return error{error_code::invalid_argument, std::move(what)};
  };
  if (g.max_new_tokens == 0) return bad("max_new_tokens is 0");
  if (!(g.temperature >= 0 && g.temperature <= 100))
    return bad("temperature must be from 0 to 100");
  if (!(g.top_p > 0 && g.top_p <= 1)) return bad("top_p must be in (0, 1]");
  if (g.lens < 1 || g.lens > 3) return bad("lens must be 1, 2 or 3");
  if (!g.quality.empty() && !quality_named(g.quality))
    return bad("quality must be lossless, high, balanced or small, not '" +
               g.quality + "'");
  if (!g.backpressure.empty() && !backpressure_named(g.backpressure))
    return bad("backpressure must be wait or drop, not '" + g.backpressure +
               "'");
  if (g.stop.size() > limits::stop_strings_max)
    return error{error_code::limit_exceeded, "more than 16 stop strings"};
  for (const auto& stop : g.stop)
    if (stop.empty() || stop.size() > limits::stop_bytes_max)
      return error{error_code::limit_exceeded,
                   "a stop string is empty or longer than 256 bytes"};
  return std::nullopt;
}

void turn_request_state::generate(const wire::GenerateT& g) {
  if (auto wrong = check(g)) return send_error(self, ctx, *wrong);
  open_turn open;
  open.who = ctx.who;
  open.model = g.model;
  open.session = ctx.session.id();
  if (!g.conversation.empty()) {
    auto id = read_conversation(g.conversation);
    if (!id) return send_error(self, ctx, id.error());
    open.conversation = id.value();
  }
  auto options = std::make_shared<turn_options>();
  options->prompt.assign(g.prompt.begin(), g.prompt.end());
  options->max_new_tokens = g.max_new_tokens;
  options->sampling = {g.temperature, g.top_k, g.top_p, g.seed};
  options->model_sampling = g.model_sampling;
  options->stop = g.stop;
  options->capture = g.capture;
  options->lens = static_cast<lens_mode>(g.lens);
  options->keep_running = g.keep_running;
  if (!g.quality.empty()) options->kept = quality_named(g.quality);
  options->when_full = backpressure_named(g.backpressure);
  open.options = std::move(options);
  owns_turn = true;
  self->request(ctx.view->catalog, caf::infinite, std::move(open))
      .then(
          [this, wait = g.wait_durable](const result<turn_opened>& opened) {
            if (!opened) return send_error(self, ctx, opened.error());
            watch(opened.value(), std::nullopt, wait);
          },
          unavailable(self, ctx, "catalog"));
}

void turn_request_state::attach(const wire::AttachT& a) {
  auto id = read_conversation(a.conversation);
  if (!id) return send_error(self, ctx, id.error());
  self->request(ctx.view->catalog, caf::infinite,
                find_turn{ctx.who, id.value()})
      .then(
          [this, from = a.from_position,
           wait = a.wait_durable](const result<turn_opened>& found) {
            if (!found) return send_error(self, ctx, found.error());
            if (!found.value().generation)
              return show_ended(found.value().conversation, from);
            watch(found.value(), from, wait);
          },
          unavailable(self, ctx, "catalog"));
}

void turn_request_state::watch(const turn_opened& turn,
                               std::optional<position_t> from,
                               bool wait_durable) {
  generation = turn.generation;
  self->monitor(generation);
  if (cancel_wanted) self->send(generation, cancel_turn{});
  self->request(generation, caf::infinite,
                watch_turn{viewer_actor(self), from, wait_durable})
      .then(
          [this](const watch_result& watched) {
            if (!watched) return send_error(self, ctx, watched.error());
            joined = true;
            wire::StartedT started;
            started.conversation =
                conversation_text(watched.value().conversation);
            started.model = watched.value().model;
            started.turn = watched.value().turn;
            started.position = watched.value().from;
            send_response(self, ctx, frame_kind::response,
                          make_body(std::move(started)), {}, [] {});
          },
          [this, id = turn.conversation, from](const caf::error& e) {
            // The turn ended between the catalog's answer and ours.
            if (!owns_turn) return show_ended(id, from.value_or(0));
            unavailable(self, ctx, "generation")(e);
          });
}

/// Attach to a conversation in which nothing runs: what it has, then Done.
void turn_request_state::show_ended(conversation_id id, position_t from) {
  self->request(ctx.view->catalog, caf::infinite,
                show_conversation{ctx.who, id})
      .then(
          [this, from](const show_result& shown) {
            if (!shown) return send_error(self, ctx, shown.error());
            past = shown.value();
            stream_ended(from);
          },
          unavailable(self, ctx, "catalog"));
}

void turn_request_state::stream_ended(position_t from) {
  past_from = from;
  past_chunk = chunk_of(from);
  wire::StartedT started;
  started.conversation = conversation_text(past->record.id);
  started.model = past->record.model;
  started.position = from;
  started.running = false;
  if (past_chunk < past->chunks.size())
    started.turn = past->chunks[past_chunk].tokens.front().turn;
  send_response(self, ctx, frame_kind::response, make_body(std::move(started)),
                {}, [this] { send_ended_chunk(); });
}

void turn_request_state::send_ended_chunk() {
  if (past_chunk >= past->chunks.size()) return end_stream();
  const auto hosted = ctx.view->models.find(past->record.model);
  const tokenizer* text =
      hosted != ctx.view->models.end() && hosted->second.model
          ? &hosted->second.model->text()
          : nullptr;
  wire::TokensT tokens;
  auto p = first_position(past_chunk);
  for (const auto& token : past->chunks[past_chunk].tokens) {
    auto at = p++;
    if (at < past_from) continue;
    tokens.tokens.push_back(
        std::make_unique<wire::TokenT>(to_wire(placed_token{at, token})));
    // Without its model nobody knows which of the tokens are special.
    if (token.who == role::assistant && !(text && text->is_special(token.id)))
      tokens.text += past_text.push(token.bytes);
  }
  if (++past_chunk == past->chunks.size()) tokens.text += past_text.finish();
  send_response(self, ctx, frame_kind::response, make_body(std::move(tokens)),
                {}, [this] { send_ended_chunk(); });
}

void turn_request_state::end_stream() {
  wire::DoneT done;
  done.conversation = conversation_text(past->record.id);
  done.finish = to_string(past->record.state);
  for (const auto& chunk : past->chunks)
    done.positions += static_cast<position_t>(chunk.tokens.size());
  done.durable = past->durable >= done.positions;
  send_terminal(self, ctx, make_body(std::move(done)));
}

caf::result<tokens_taken> turn_request_state::take(const turn_tokens& m) {
  using promise_type = caf::typed_response_promise<tokens_taken>;
  auto taken = self->make_response_promise<promise_type>();
  wire::TokensT tokens;
  for (const auto& t : m.tokens)
    tokens.tokens.push_back(std::make_unique<wire::TokenT>(to_wire(t)));
  tokens.text = m.text;
  send_response(self, ctx, frame_kind::response, make_body(std::move(tokens)),
                {}, [taken]() mutable { taken.deliver(tokens_taken{}); });
  return taken;
}

void turn_request_state::cancel() {
  cancel_wanted = true;
  if (owns_turn) {
    if (generation) self->send(generation, cancel_turn{});
    return;  // Done follows, with the tokens produced
  }
  if (generation) self->send(generation, leave_turn{viewer_actor(self)});
  send_error(self, ctx, {error_code::cancelled, "cancelled by the client"});
}

turn_self::behavior_type turn(turn_request_state::pointer self,
                              request_context ctx) {
  auto& state = self->state;
  state.ctx = std::move(ctx);
  self->set_down_handler([&state](const caf::down_msg& down) {
    // Until it has answered, its silence is the answer to watch_turn.
    if (state.ended || !state.joined) return;
    send_error(
        state.self, state.ctx,
        {error_code::unavailable,
         "the turn ended while it was watched: " + to_string(down.reason)});
  });
  if (const auto* g = state.ctx.body->AsGenerate())
    state.generate(*g);
  else
    state.attach(*state.ctx.body->AsAttach());
  return {
      [&state](const cancel_request&) { state.cancel(); },
      [&state](const turn_tokens& m) { return state.take(m); },
      [&state](const turn_done& m) {
        state.ended = true;
        send_terminal(state.self, state.ctx, make_body(wire::DoneT(m.done)));
      },
      [&state](const turn_failed& m) {
        state.ended = true;
        send_error(state.self, state.ctx, m.reason);
      },
  };
}

}  // namespace

request_actor spawn_turn_request(caf::actor_system& sys, request_context ctx) {
  return sys.spawn(turn, std::move(ctx));
}

}  // namespace lamina

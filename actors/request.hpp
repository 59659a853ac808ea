// Requests: what all request actors share. A request actor orchestrates one
// request, streams its answer no faster than the connection takes it, and ends
// after its terminal frame; it dies with its session.
#pragma once

#include <caf/all.hpp>
#include <chrono>
#include <memory>
#include <string>

#include "actors/interfaces.hpp"
#include "actors/messages/answer_source.hpp"
#include "actors/messages/session.hpp"
#include "actors/messages/tokens.hpp"
#include "actors/principal.hpp"
#include "actors/store/reports.hpp"
#include "protocol/frame.hpp"
#include "protocol/id_text.hpp"
#include "protocol/limits.hpp"

namespace lamina {

struct request_context {
  std::uint32_t request = 0;
  principal who;
  std::chrono::steady_clock::time_point received;
  session_actor session;
  view_ptr view;
  std::shared_ptr<const wire::BodyUnion> body;
  std::shared_ptr<const byte_buffer> payload;  // null: none

  std::uint32_t elapsed_us() const {
    using namespace std::chrono;
    return static_cast<std::uint32_t>(
        duration_cast<microseconds>(steady_clock::now() - received).count());
  }
};

/// Sends one frame; `then` runs when it is on the wire.
template <class Self, class Then>
void send_response(Self* self, const request_context& ctx, frame_kind kind,
                   const wire::BodyUnion& body, shared_bytes payload,
                   Then then) {
  auto head = try_encode_frame_head(kind, ctx.request, body, payload.bytes);
  const auto* refusal = body.AsError();
  std::uint16_t failed = refusal ? refusal->code : std::uint16_t{0};
  outgoing_frame_ptr frame;
  if (head) {
    frame = std::make_shared<const outgoing_frame>(
        outgoing_frame{std::move(head).value(), std::move(payload)});
  } else {
    kind = frame_kind::terminal;
    failed = static_cast<std::uint16_t>(head.error().code);
    frame = error_frame(ctx.request, head.error());
  }
  self->request(ctx.session, caf::infinite,
                send_frame{ctx.request, kind, std::move(frame), failed})
      .then([then](const frame_sent&) mutable { then(); },
            [self](const caf::error&) { self->quit(); });
}

/// Sends the last frame of a request and ends the actor.
template <class Self>
void send_terminal(Self* self, const request_context& ctx,
                   const wire::BodyUnion& body, shared_bytes payload = {}) {
  send_response(self, ctx, frame_kind::terminal, body, std::move(payload),
                [self] { self->quit(); });
}

template <class Self>
void send_error(Self* self, const request_context& ctx, const error& e) {
  send_terminal(self, ctx, error_body(e));
}

/// An error handler for CAF requests to `who`.
template <class Self>
auto unavailable(Self* self, const request_context& ctx, std::string who) {
  return [self, ctx, who = std::move(who)](const caf::error& e) {
    send_error(self, ctx,
               {error_code::unavailable,
                "the " + who + " did not answer: " + caf::to_string(e)});
  };
}

/// A request about no more positions has somebody waiting for each of them: it
/// goes before bulk reads wherever a queue forms.
inline constexpr std::size_t click_positions_max = 64;

/// The id in a request's text form: invalid_argument when it is none.
result<conversation_id> read_conversation(const std::string& text);

/// Chunks that the catalog counts; on disk there may be more or fewer by now.
std::uint64_t chunks_of(const conversation_record& record);

wire::TokenT to_wire(const placed_token& t);
/// Without tokens and ledger.
wire::ConversationT to_wire(const conversation_record& r, const principal& who);
wire::HoldingT to_wire(const usage& u);
std::string_view to_string(answer_source s);

/// Spawns a request whose state has `ctx` and `run()`; a cancel ends it.
template <class State>
request_actor spawn_request_of(caf::actor_system& sys, request_context ctx) {
  using pointer = typename State::pointer;
  return sys.spawn(
      [](pointer self, request_context given) -> request_actor::behavior_type {
        self->state.ctx = std::move(given);
        self->state.run();
        return {[self](const cancel_request&) {
          send_error(self, self->state.ctx,
                     {error_code::cancelled, "cancelled by the client"});
        }};
      },
      std::move(ctx));
}

/// One spawn function per kind of request; session.cpp maps messages to them.
request_actor spawn_turn_request(caf::actor_system& sys, request_context ctx);
request_actor spawn_lens_request(caf::actor_system& sys, request_context ctx);
request_actor spawn_activations_request(caf::actor_system& sys,
                                        request_context ctx);
request_actor spawn_search_request(caf::actor_system& sys, request_context ctx);
request_actor spawn_models_request(caf::actor_system& sys, request_context ctx);
request_actor spawn_plan_request(caf::actor_system& sys, request_context ctx);
request_actor spawn_bench_request(caf::actor_system& sys, request_context ctx);
request_actor spawn_put_request(caf::actor_system& sys, request_context ctx);
request_actor spawn_show_request(caf::actor_system& sys, request_context ctx);
request_actor spawn_usage_request(caf::actor_system& sys, request_context ctx);
request_actor spawn_verify_request(caf::actor_system& sys, request_context ctx);
request_actor spawn_catalog_request(caf::actor_system& sys,
                                    request_context ctx);

}  // namespace lamina

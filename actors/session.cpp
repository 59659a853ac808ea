#include "actors/session.hpp"

#include <spdlog/spdlog.h>

#include <caf/all.hpp>
#include <utility>

#include "actors/request.hpp"
#include "actors/view.hpp"
#include "protocol/limits.hpp"

namespace lamina {
namespace {

request_actor spawn_request(caf::actor_system& sys, request_context ctx) {
  switch (ctx.body->type) {
    case wire::Body::Generate:
    case wire::Body::Attach:
      return spawn_turn_request(sys, std::move(ctx));
    case wire::Body::GetLens:
    case wire::Body::ReadLens:
      return spawn_lens_request(sys, std::move(ctx));
    case wire::Body::GetActivations:
      return spawn_activations_request(sys, std::move(ctx));
    case wire::Body::Search:
      return spawn_search_request(sys, std::move(ctx));
    case wire::Body::ListModels:
    case wire::Body::LoadModel:
    case wire::Body::UnloadModel:
    case wire::Body::PlanModel:
      return spawn_models_request(sys, std::move(ctx));
    case wire::Body::PlanCapture:
      return spawn_plan_request(sys, std::move(ctx));
    case wire::Body::BenchCodec:
      return spawn_bench_request(sys, std::move(ctx));
    case wire::Body::ShowConversation:
      return spawn_show_request(sys, std::move(ctx));
    case wire::Body::GetUsage:
      return spawn_usage_request(sys, std::move(ctx));
    case wire::Body::VerifyCache:
      return spawn_verify_request(sys, std::move(ctx));
    case wire::Body::PutConversation:
    case wire::Body::PutActivations:
    case wire::Body::PutLens:
    case wire::Body::FinishConversation:
      return spawn_put_request(sys, std::move(ctx));
    default:
      return spawn_catalog_request(sys, std::move(ctx));
  }
}

}  // namespace

void session_state::refuse(std::uint32_t request, const error& e, bool closes) {
  ++frames_sent;
  out->send(error_frame(request, e));
  if (closes) out->close();
}

/// What needs no request actor.
void session_state::answer(std::uint32_t request, const wire::BodyUnion& body) {
  ++frames_sent;
  out->send(std::make_shared<const outgoing_frame>(
      outgoing_frame{encode_frame(frame_kind::terminal, request, body)}));
}

void session_state::greet(const frame_received& m) {
  const auto* hello = m.body->AsHello();
  if (!hello)
    return refuse(
        m.request,
        {error_code::unauthenticated, "the first request must be Hello"}, true);
  if (hello->version_min > protocol_version ||
      hello->version_max < protocol_version)
    return refuse(m.request,
                  {error_code::unsupported_version,
                   "this daemon speaks protocol version 1"},
                  true);
  greeted = true;
  wire::WelcomeT welcome;
  welcome.version = protocol_version;
  welcome.server = "laminad " LAMINA_VERSION;
  welcome.frame_bytes_max =
      limits::control_bytes_max + limits::payload_bytes_max;
  welcome.requests_max = limits::requests_per_connection_max;
  answer(m.request, make_body(std::move(welcome)));
}

session_state::~session_state() {
  for (auto& frame : waiting)
    frame.promise.deliver(caf::make_error(caf::sec::request_receiver_down));
  for (auto& [id, running] : requests)
    caf::anon_send_exit(running.actor, caf::exit_reason::user_shutdown);
}

/// A peer that does not read its answers is not read from either.
void session_state::take_next() {
  constexpr std::uint64_t unwritten_max = 256;
  while (takes_owed > 0 && frames_sent - frames_done < unwritten_max &&
         unwritten_bytes < limits::unwritten_bytes_max) {
    --takes_owed;
    out->take_next();
  }
}

void session_state::follow(const view_ptr& newest) {
  view = newest;
  for (const auto& m : std::exchange(early, {}))
    receive(m);
}

void session_state::receive(const frame_received& m) {
  if (!view) return early.push_back(m);  // at most what inbound credit allows
  ++takes_owed;
  take_next();
  if (m.request <= newest_request)
    return refuse(m.request,
                  {error_code::already_exists,
                   "request ids must grow on a connection; " +
                       std::to_string(m.request) + " does not"},
                  true);
  newest_request = m.request;
  if (!greeted) return greet(m);
  if (const auto* cancel = m.body->AsCancel()) {
    if (auto it = requests.find(cancel->request); it != requests.end())
      self->send<caf::message_priority::high>(it->second.actor,
                                              cancel_request{});
    return;
  }
  if (const auto* ping = m.body->AsPing()) {
    wire::PongT pong;
    pong.payload = ping->payload;
    return answer(m.request, make_body(pong));
  }
  start(m);
}

/// Why a request may not begin.
std::optional<error> session_state::refusal_of(const frame_received& m) const {
  if (auto allowed = check_scope(who, m.body->type); !allowed)
    return allowed.error();
  // One whose last frame is not on the wire yet still takes its memory.
  if (requests.size() + unwritten_ends >= limits::requests_per_connection_max)
    return error{error_code::overloaded,
                 "too many requests in flight on this connection"};
  const auto bytes = m.payload ? m.payload->size() : 0;
  if (payload_bytes + bytes > limits::payload_in_flight_bytes_max)
    return error{error_code::overloaded,
                 "more than " +
                     std::to_string(limits::payload_in_flight_bytes_max) +
                     " bytes of payload in flight on this connection"};
  return std::nullopt;
}

void session_state::start(const frame_received& m) {
  const auto now = std::chrono::steady_clock::now();
  if (auto refused = refusal_of(m)) {
    record(m.body->type, static_cast<std::uint16_t>(refused->code), now);
    return refuse(m.request, *refused, false);
  }
  request_context ctx{m.request, who,    now,      session_actor(self),
                      view,      m.body, m.payload};
  auto actor = spawn_request(self->system(), std::move(ctx));
  self->monitor(actor);
  const auto bytes = m.payload ? m.payload->size() : 0;
  requests.emplace(m.request,
                   running_request{std::move(actor), bytes, m.body->type, now});
  payload_bytes += bytes;
}

void session_state::record(wire::Body type, std::uint16_t failed,
                           std::chrono::steady_clock::time_point received) {
  using namespace std::chrono;
  const auto took =
      duration_cast<microseconds>(steady_clock::now() - received).count();
  self->send(view->recorder,
             request_ended{type, failed, static_cast<std::uint64_t>(took)});
}

void session_state::forget(running_requests::iterator request,
                           std::uint16_t failed) {
  const auto& ended = request->second;
  payload_bytes -= ended.payload_bytes;
  record(ended.type, failed, ended.received);
  requests.erase(request);
}

caf::result<frame_sent> session_state::send(const send_frame& m) {
  // Nothing may follow a terminal frame: the request has ended.
  auto it = requests.find(m.request);
  if (it == requests.end())
    return caf::make_error(caf::sec::request_receiver_down);
  const bool ends = m.kind == frame_kind::terminal;
  if (ends) forget(it, m.failed);
  auto promise =
      self->make_response_promise<caf::typed_response_promise<frame_sent>>();
  waiting.push_back({++frames_sent, m.frame->size(), ends, promise});
  unwritten_bytes += m.frame->size();
  unwritten_ends += ends ? 1 : 0;
  out->send(m.frame);
  return promise;
}

void session_state::written(std::uint64_t count) {
  frames_done = count;
  while (!waiting.empty() && waiting.front().number <= frames_done) {
    auto& frame = waiting.front();
    unwritten_bytes -= frame.bytes;
    unwritten_ends -= frame.ends ? 1 : 0;
    frame.promise.deliver(frame_sent{});
    waiting.pop_front();
  }
  take_next();
}

session_actor::behavior_type session(session_state::pointer self, principal who,
                                     std::shared_ptr<outbox> out) {
  auto& state = self->state;
  state.who = std::move(who);
  state.out = std::move(out);
  // A request that dies without its terminal frame still owes one.
  self->set_down_handler([&state](const caf::down_msg& down) {
    for (auto it = state.requests.begin(); it != state.requests.end(); ++it) {
      if (it->second.actor.address() != down.source) continue;
      auto request = it->first;
      state.forget(it, static_cast<std::uint16_t>(error_code::internal));
      return state.refuse(request,
                          {error_code::internal, "the request ended early: " +
                                                     to_string(down.reason)},
                          false);
    }
  });
  return {
      [&state](const frame_received& m) { state.receive(m); },
      [&state](const frames_written& m) { state.written(m.sequence); },
      [&state, self](const connection_closed&) {
        state.out->close();
        self->quit();
      },
      [&state](const send_frame& m) { return state.send(m); },
      [&state](const view_changed& m) { state.follow(m.view); },
  };
}

}  // namespace lamina

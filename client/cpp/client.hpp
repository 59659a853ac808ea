// liblamina: a thin, synchronous client of the daemon.
//
//   auto lamina = lamina::client::connect(endpoint);
//   if (!lamina) ...
//   wire::GenerateT request;
//   request.model = "demo";
//   auto done = lamina.value().generate(request, {.on_tokens = print});
//
// One object is one connection, used by one thread at a time; requests follow
// one another. Only cancel_running() may be called from elsewhere: another
// thread or a signal handler. Failures are values with the daemon's own code;
// a lost connection is `unavailable` and stays so: connect again. The messages
// are those of protocol/lamina.fbs; docs/protocol.md explains them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "client/cpp/activation_array.hpp"
#include "protocol/endpoint.hpp"
#include "protocol/error.hpp"
#include "protocol/lamina_generated.h"

namespace lamina {

class connection;

struct connect_options {
  std::string name = "liblamina 0.1";  // for the daemon's log
  std::string token;                   // over TCP and TLS
  std::string tls_ca;  // PEM file of authorities; empty: the system's
  std::uint32_t handshake_ms_max = 5'000;
};

/// What a streamed answer calls, in order; empty functions are skipped. They
/// run on the caller's thread, inside generate() or attach().
struct generation_handlers {
  std::function<void(const wire::StartedT&)> on_started;
  std::function<void(const wire::TokensT&)> on_tokens;
};

class client {
 public:
  /// Connects and says hello. invalid_argument: no such host; unavailable:
  /// nobody listens there or answers in time; forbidden: over TLS, it is not
  /// the host it should be; else what the daemon says.
  static result<client> connect(const endpoint& address,
                                const connect_options& options = {});

  /// Takes over a connected stream socket (closed also on failure) and says
  /// hello: for sockets that something else opened.
  static result<client> adopt(int socket, const connect_options& options = {});

  client(client&&) noexcept;
  client& operator=(client&&) noexcept;
  ~client();

  /// The daemon's limits and name.
  const wire::WelcomeT& welcome() const { return welcome_; }

  /// Round trip; unavailable when the daemon answers with another number.
  result<void> ping(std::uint64_t payload);
  result<wire::ModelsT> models();

  /// Streams a turn until it ends, is cancelled (then Done says so, or the
  /// error `cancelled` comes) or fails.
  result<wire::DoneT> generate(const wire::GenerateT& request,
                               const generation_handlers& handlers = {});

  /// Streams a turn that is running, or what there is of one that ended.
  result<wire::DoneT> attach(const wire::AttachT& request,
                             const generation_handlers& handlers = {});

  /// All parts of the answer in one: positions in order, context of the
  /// first part, time of the last.
  result<wire::LensResultT> lens(const wire::GetLensT& request);

  /// The lens over a range of positions: calls on_part for every frame but
  /// the last, in order of positions, and returns the last, which has the
  /// counts. With `follow` this takes as long as the turn.
  using lens_handler = std::function<void(const wire::LensResultT&)>;
  result<wire::LensResultT> read_lens(const wire::ReadLensT& request,
                                      const lens_handler& on_part);

  /// Calls on_part for every frame: its message and its payload
  /// [slot][position][width], valid during the call. An error that on_part
  /// returns cancels the request and is returned.
  using activations_handler = std::function<result<void>(
      const wire::ActivationsT&, std::span<const std::byte>)>;
  result<void> activations(const wire::GetActivationsT& request,
                           const activations_handler& on_part);

  /// The same, assembled. Takes twice the answer's memory while it does.
  result<activation_array> activations(const wire::GetActivationsT& request);

  /// Nearest positions, or where a text stands. `vector` is the query when the
  /// request says so (`query` 2), else empty. Calls on_progress, unless it is
  /// empty, with the best so far; returns the final answer.
  using search_handler = std::function<void(const wire::SearchResultT&)>;
  result<wire::SearchResultT> search(const wire::SearchT& request,
                                     std::span<const float> vector = {},
                                     const search_handler& on_progress = {});

  /// Verifies what is stored. Calls on_progress, unless it is empty, with what
  /// was found so far; returns the final answer.
  using verify_handler = std::function<void(const wire::VerifyResultT&)>;
  result<wire::VerifyResultT> verify(const wire::VerifyCacheT& request,
                                     const verify_handler& on_progress = {});

  /// Who holds how much of the store.
  result<wire::UsageT> usage(const wire::GetUsageT& request = {});

  /// All parts of the answer in one, as with `show`.
  result<wire::ConversationsT> conversations(
      const wire::ListConversationsT& request = {});
  result<wire::ConversationT> show(const wire::ShowConversationT& request);
  result<void> remove(const std::string& conversation);

  /// The conversation as it is then.
  result<wire::ConversationT> pin(const std::string& conversation, bool pinned);

  /// Lets a group read it; an empty one: nobody but the owner.
  result<wire::ConversationT> share(const std::string& conversation,
                                    const std::string& group);

  /// A new conversation with the first `position` tokens of this one.
  result<wire::ConversationT> fork(const std::string& conversation,
                                   std::uint32_t position);

  /// Bring a conversation that was computed elsewhere, step by step; bring() in
  /// bring.hpp takes them all. The payloads are those of lamina.fbs.
  result<wire::BroughtT> put(const wire::PutConversationT& request);
  result<wire::BroughtT> put(wire::PutActivationsT request,
                             std::span<const std::byte> rows);
  result<wire::BroughtT> put(const wire::PutLensT& request,
                             std::span<const std::byte> records);
  result<wire::BroughtT> finish(const wire::FinishConversationT& request);

  /// A JSON document.
  result<std::string> status();

  /// The daemon's configuration, a JSON document; for admins.
  result<std::string> configuration();
  /// Loads a model; returns it when it is up.
  result<wire::ModelsT> load_model(const wire::LoadModelT& request);
  result<void> unload_model(const std::string& name);
  /// What loading would take; a JSON document.
  result<std::string> plan_model(const wire::PlanModelT& request);

  /// What capturing would take; a JSON document.
  result<std::string> plan(const wire::PlanCaptureT& request);

  /// What each quality does to a conversation's activations: calls on_progress,
  /// unless it is empty, with what is measured so far; a JSON document.
  using report_handler = std::function<void(const std::string& json)>;
  result<std::string> bench_codec(const wire::BenchCodecT& request,
                                  const report_handler& on_progress = {});

  /// Asks the daemon to end the request that is running now, if one is; it
  /// still ends with its terminal answer. Any thread; async-signal-safe.
  void cancel_running() noexcept;

 private:
  client(std::unique_ptr<connection> link, wire::WelcomeT welcome);
  static result<client> greet(std::unique_ptr<connection> link,
                              const connect_options& options);
  result<wire::DoneT> follow(wire::BodyUnion request,
                             const generation_handlers& handlers);

  std::unique_ptr<connection> link_;
  wire::WelcomeT welcome_;
};

}  // namespace lamina

#include "client/cpp/client.hpp"

#include <bit>
#include <utility>

#include "client/cpp/connection.hpp"
#include "protocol/message.hpp"

namespace lamina {
namespace {

result<void> unexpected(const received_frame& frame, std::string_view wanted) {
  return fail(error_code::malformed_frame,
              "the daemon answered with " +
                  std::string(name_of(frame.body.type)) + " where " +
                  std::string(wanted) + " was expected");
}

// The one message of an answer that must be a Native.
template <class Native, class Request>
result<Native> ask(connection& link, Request request, std::uint32_t ms_max = 0,
                   std::span<const std::byte> payload = {}) {
  Native answer;
  BOOST_OUTCOME_TRYV(link.exchange(
      make_body(std::move(request)),
      [&](const received_frame& frame) -> result<void> {
        constexpr auto type = wire::BodyUnionTraits<Native>::enum_value;
        if (frame.body.type != type ||
            frame.header.kind != frame_kind::terminal)
          return unexpected(frame, name_of(type));
        answer = *static_cast<const Native*>(frame.body.value);
        return success();
      },
      ms_max, payload));
  return answer;
}

void append(wire::LensResultT& whole, const wire::LensResultT& part) {
  const bool first = whole.conversation.empty();
  whole.conversation = part.conversation;
  for (const auto& position : part.positions)
    whole.positions.push_back(std::make_unique<wire::LensPositionT>(*position));
  if (first)
    for (const auto& token : part.context)
      whole.context.push_back(std::make_unique<wire::TokenT>(*token));
  whole.took_us = part.took_us;
  whole.last = part.last;
}

// Each part repeats what is not a list.
void append(wire::ConversationT& whole, const wire::ConversationT& part) {
  auto tokens = std::move(whole.tokens);
  auto ledger = std::move(whole.ledger);
  for (const auto& token : part.tokens)
    tokens.push_back(std::make_unique<wire::TokenT>(*token));
  for (const auto& entry : part.ledger)
    ledger.push_back(std::make_unique<wire::LedgerEntryT>(*entry));
  whole = part;
  whole.tokens = std::move(tokens);
  whole.ledger = std::move(ledger);
}

}  // namespace

client::client(std::unique_ptr<connection> link, wire::WelcomeT welcome)
    : link_(std::move(link)), welcome_(std::move(welcome)) {}
client::client(client&&) noexcept = default;
client& client::operator=(client&&) noexcept = default;
client::~client() = default;

result<client> client::connect(const endpoint& address,
                               const connect_options& options) {
  BOOST_OUTCOME_TRY(link, connection::open(address, options.tls_ca,
                                           options.handshake_ms_max));
  return greet(std::move(link), options);
}

result<client> client::adopt(int socket, const connect_options& options) {
  BOOST_OUTCOME_TRY(link, connection::adopt(socket));
  return greet(std::move(link), options);
}

result<client> client::greet(std::unique_ptr<connection> link,
                             const connect_options& options) {
  wire::HelloT hello;
  hello.client = options.name;
  hello.token = options.token;
  BOOST_OUTCOME_TRY(welcome, ask<wire::WelcomeT>(*link, std::move(hello),
                                                 options.handshake_ms_max));
  if (welcome.version != protocol_version)
    return fail(
        error_code::unsupported_version,
        "the daemon chose protocol version " + std::to_string(welcome.version) +
            ": this client speaks version " + std::to_string(protocol_version));
  return client(std::move(link), std::move(welcome));
}

result<void> client::ping(std::uint64_t payload) {
  wire::PingT request;
  request.payload = payload;
  BOOST_OUTCOME_TRY(pong, ask<wire::PongT>(*link_, std::move(request)));
  if (pong.payload != payload)
    return fail(error_code::unavailable,
                "the daemon answered a ping with another number");
  return success();
}

result<wire::ModelsT> client::models() {
  return ask<wire::ModelsT>(*link_, wire::ListModelsT{});
}

result<wire::DoneT> client::follow(wire::BodyUnion request,
                                   const generation_handlers& handlers) {
  wire::DoneT answer;
  BOOST_OUTCOME_TRYV(link_->exchange(
      request, [&](const received_frame& frame) -> result<void> {
        const bool last = frame.header.kind == frame_kind::terminal;
        if (const auto* done = frame.body.AsDone(); done && last)
          answer = *done;
        else if (const auto* started = frame.body.AsStarted();
                 started && !last) {
          if (handlers.on_started) handlers.on_started(*started);
        } else if (const auto* tokens = frame.body.AsTokens();
                   tokens && !last) {
          if (handlers.on_tokens) handlers.on_tokens(*tokens);
        } else {
          return unexpected(frame, last ? "Done" : "Started or Tokens");
        }
        return success();
      }));
  return answer;
}

result<wire::DoneT> client::generate(const wire::GenerateT& request,
                                     const generation_handlers& handlers) {
  return follow(make_body(wire::GenerateT(request)), handlers);
}

result<wire::DoneT> client::attach(const wire::AttachT& request,
                                   const generation_handlers& handlers) {
  return follow(make_body(wire::AttachT(request)), handlers);
}

result<wire::LensResultT> client::lens(const wire::GetLensT& request) {
  wire::LensResultT whole;
  BOOST_OUTCOME_TRYV(
      link_->exchange(make_body(wire::GetLensT(request)),
                      [&](const received_frame& frame) -> result<void> {
                        const auto* part = frame.body.AsLensResult();
                        if (!part) return unexpected(frame, "LensResult");
                        append(whole, *part);
                        return success();
                      }));
  return whole;
}

result<wire::LensResultT> client::read_lens(const wire::ReadLensT& request,
                                            const lens_handler& on_part) {
  wire::LensResultT answer;
  BOOST_OUTCOME_TRYV(
      link_->exchange(make_body(wire::ReadLensT(request)),
                      [&](const received_frame& frame) -> result<void> {
                        const auto* part = frame.body.AsLensResult();
                        if (!part) return unexpected(frame, "LensResult");
                        if (frame.header.kind == frame_kind::terminal)
                          answer = *part;
                        else if (on_part)
                          on_part(*part);
                        return success();
                      }));
  return answer;
}

result<void> client::activations(const wire::GetActivationsT& request,
                                 const activations_handler& on_part) {
  return link_->exchange(make_body(wire::GetActivationsT(request)),
                         [&](const received_frame& frame) -> result<void> {
                           const auto* part = frame.body.AsActivations();
                           if (!part) return unexpected(frame, "Activations");
                           return on_part(*part, frame.payload);
                         });
}

result<activation_array> client::activations(
    const wire::GetActivationsT& request) {
  activation_assembler assembler;
  BOOST_OUTCOME_TRYV(activations(
      request,
      [&](const wire::ActivationsT& part, std::span<const std::byte> payload) {
        return assembler.add(part, payload);
      }));
  return assembler.finish();
}

result<wire::SearchResultT> client::search(const wire::SearchT& request,
                                           std::span<const float> vector,
                                           const search_handler& on_progress) {
  static_assert(std::endian::native == std::endian::little,
                "the payload is little-endian");
  wire::SearchResultT answer;
  BOOST_OUTCOME_TRYV(link_->exchange(
      make_body(wire::SearchT(request)),
      [&](const received_frame& frame) -> result<void> {
        const auto* part = frame.body.AsSearchResult();
        if (!part) return unexpected(frame, "SearchResult");
        if (frame.header.kind == frame_kind::terminal)
          answer = *part;
        else if (on_progress)
          on_progress(*part);
        return success();
      },
      0, std::as_bytes(vector)));
  return answer;
}

result<wire::VerifyResultT> client::verify(const wire::VerifyCacheT& request,
                                           const verify_handler& on_progress) {
  wire::VerifyResultT answer;
  BOOST_OUTCOME_TRYV(
      link_->exchange(make_body(wire::VerifyCacheT(request)),
                      [&](const received_frame& frame) -> result<void> {
                        const auto* part = frame.body.AsVerifyResult();
                        if (!part) return unexpected(frame, "VerifyResult");
                        if (frame.header.kind == frame_kind::terminal)
                          answer = *part;
                        else if (on_progress)
                          on_progress(*part);
                        return success();
                      }));
  return answer;
}

result<wire::UsageT> client::usage(const wire::GetUsageT& request) {
  return ask<wire::UsageT>(*link_, wire::GetUsageT(request));
}

result<wire::ConversationsT> client::conversations(
    const wire::ListConversationsT& request) {
  wire::ConversationsT whole;
  BOOST_OUTCOME_TRYV(
      link_->exchange(make_body(wire::ListConversationsT(request)),
                      [&](const received_frame& frame) -> result<void> {
                        const auto* part = frame.body.AsConversations();
                        if (!part) return unexpected(frame, "Conversations");
                        for (const auto& one : part->conversations)
                          whole.conversations.push_back(
                              std::make_unique<wire::ConversationT>(*one));
                        return success();
                      }));
  return whole;
}

result<wire::ConversationT> client::show(
    const wire::ShowConversationT& request) {
  wire::ConversationT whole;
  BOOST_OUTCOME_TRYV(
      link_->exchange(make_body(wire::ShowConversationT(request)),
                      [&](const received_frame& frame) -> result<void> {
                        const auto* part = frame.body.AsConversation();
                        if (!part) return unexpected(frame, "Conversation");
                        append(whole, *part);
                        return success();
                      }));
  return whole;
}

result<void> client::remove(const std::string& conversation) {
  wire::DeleteConversationT request;
  request.conversation = conversation;
  BOOST_OUTCOME_TRYV(ask<wire::AcknowledgedT>(*link_, std::move(request)));
  return success();
}

result<wire::ConversationT> client::pin(const std::string& conversation,
                                        bool pinned) {
  wire::PinConversationT request;
  request.conversation = conversation;
  request.pinned = pinned;
  return ask<wire::ConversationT>(*link_, std::move(request));
}

result<wire::ConversationT> client::share(const std::string& conversation,
                                          const std::string& group) {
  wire::ShareConversationT request;
  request.conversation = conversation;
  request.group = group;
  return ask<wire::ConversationT>(*link_, std::move(request));
}

result<wire::ConversationT> client::fork(const std::string& conversation,
                                         std::uint32_t position) {
  wire::ForkConversationT request;
  request.conversation = conversation;
  request.position = position;
  return ask<wire::ConversationT>(*link_, std::move(request));
}

result<wire::BroughtT> client::put(const wire::PutConversationT& request) {
  return ask<wire::BroughtT>(*link_, wire::PutConversationT(request));
}

result<wire::BroughtT> client::put(wire::PutActivationsT request,
                                   std::span<const std::byte> rows) {
  return ask<wire::BroughtT>(*link_, std::move(request), 0, rows);
}

result<wire::BroughtT> client::put(const wire::PutLensT& request,
                                   std::span<const std::byte> records) {
  return ask<wire::BroughtT>(*link_, wire::PutLensT(request), 0, records);
}

result<wire::BroughtT> client::finish(
    const wire::FinishConversationT& request) {
  return ask<wire::BroughtT>(*link_, wire::FinishConversationT(request));
}

result<std::string> client::status() {
  BOOST_OUTCOME_TRY(status, ask<wire::StatusT>(*link_, wire::GetStatusT{}));
  return std::move(status.json);
}

result<std::string> client::configuration() {
  BOOST_OUTCOME_TRY(
      answer, ask<wire::ConfigurationT>(*link_, wire::GetConfigurationT{}));
  return std::move(answer.json);
}

result<wire::ModelsT> client::load_model(const wire::LoadModelT& request) {
  return ask<wire::ModelsT>(*link_, wire::LoadModelT(request));
}

result<void> client::unload_model(const std::string& name) {
  wire::UnloadModelT request;
  request.name = name;
  BOOST_OUTCOME_TRYV(ask<wire::AcknowledgedT>(*link_, std::move(request)));
  return success();
}

result<std::string> client::plan_model(const wire::PlanModelT& request) {
  BOOST_OUTCOME_TRY(report,
                    ask<wire::ReportT>(*link_, wire::PlanModelT(request)));
  return std::move(report.json);
}

result<std::string> client::plan(const wire::PlanCaptureT& request) {
  BOOST_OUTCOME_TRY(report,
                    ask<wire::ReportT>(*link_, wire::PlanCaptureT(request)));
  return std::move(report.json);
}

result<std::string> client::bench_codec(const wire::BenchCodecT& request,
                                        const report_handler& on_progress) {
  std::string answer;
  BOOST_OUTCOME_TRYV(
      link_->exchange(make_body(wire::BenchCodecT(request)),
                      [&](const received_frame& frame) -> result<void> {
                        const auto* report = frame.body.AsReport();
                        if (!report) return unexpected(frame, "Report");
                        if (frame.header.kind == frame_kind::terminal)
                          answer = report->json;
                        else if (on_progress)
                          on_progress(report->json);
                        return success();
                      }));
  return answer;
}

void client::cancel_running() noexcept {
  link_->cancel_running();
}

}  // namespace lamina

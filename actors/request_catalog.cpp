// The requests with a single answer: models, conversations, status.
#include <algorithm>
#include <utility>

#include "actors/messages/catalog.hpp"
#include "actors/messages/message.hpp"
#include "actors/messages/supervisor.hpp"
#include "actors/model/model.hpp"
#include "actors/request.hpp"
#include "actors/view.hpp"

namespace lamina {
namespace {

struct catalog_request_state {
  using pointer = request_actor::stateful_pointer<catalog_request_state>;
  explicit catalog_request_state(pointer actor) : self(actor) {}

  void run();
  void status();
  void configuration();
  void list(const wire::ListConversationsT& m);
  void send_list(std::size_t begin);
  template <class Command>
  void change(Command command);
  void remove(conversation_id id);

  static inline const char* name = "request_catalog";
  pointer self;
  request_context ctx;
  std::vector<conversation_record> listed;  // sent some at a time
};

void catalog_request_state::status() {
  self->request(ctx.view->supervisor, caf::infinite, get_status{})
      .then(
          [this](const std::string& report) {
            wire::StatusT answer;
            answer.json = report;
            send_terminal(self, ctx, make_body(std::move(answer)));
          },
          unavailable(self, ctx, "supervisor"));
}

void catalog_request_state::configuration() {
  wire::ConfigurationT answer;
  if (ctx.view->configuration) answer.json = *ctx.view->configuration;
  send_terminal(self, ctx, make_body(std::move(answer)));
}

void catalog_request_state::list(const wire::ListConversationsT& m) {
  self->request(ctx.view->catalog, caf::infinite,
                list_conversations{ctx.who, m.model, m.limit})
      .then(
          [this](const list_result& all) {
            if (!all) return send_error(self, ctx, all.error());
            listed = all.value();
            send_list(0);
          },
          unavailable(self, ctx, "catalog"));
}

void catalog_request_state::send_list(std::size_t begin) {
  const auto end =
      std::min(listed.size(), begin + limits::frame_conversations_max);
  wire::ConversationsT answer;
  for (auto i = begin; i < end; ++i)
    answer.conversations.push_back(
        std::make_unique<wire::ConversationT>(to_wire(listed[i], ctx.who)));
  answer.last = end == listed.size();
  if (answer.last)
    return send_terminal(self, ctx, make_body(std::move(answer)));
  send_response(self, ctx, frame_kind::response, make_body(std::move(answer)),
                {}, [this, end] { send_list(end); });
}

/// Pin, share and fork: the answer is the conversation as it is then.
template <class Command>
void catalog_request_state::change(Command command) {
  self->request(ctx.view->catalog, caf::infinite, std::move(command))
      .then(
          [this](const record_result& changed) {
            if (!changed) return send_error(self, ctx, changed.error());
            send_terminal(self, ctx,
                          make_body(to_wire(changed.value(), ctx.who)));
          },
          unavailable(self, ctx, "catalog"));
}

void catalog_request_state::remove(conversation_id id) {
  self->request(ctx.view->catalog, caf::infinite,
                remove_conversation{ctx.who, id})
      .then(
          [this](const acknowledgement& removed) {
            if (!removed) return send_error(self, ctx, removed.error());
            send_terminal(self, ctx, make_body(wire::AcknowledgedT{}));
          },
          unavailable(self, ctx, "catalog"));
}

void catalog_request_state::run() {
  const auto& body = *ctx.body;
  auto with_id = [this](const std::string& text, auto then) {
    if (auto id = read_conversation(text))
      then(id.value());
    else
      send_error(self, ctx, id.error());
  };
  if (body.AsGetStatus()) return status();
  if (body.AsGetConfiguration()) return configuration();
  if (const auto* m = body.AsListConversations()) return list(*m);
  if (const auto* m = body.AsDeleteConversation())
    return with_id(m->conversation, [&](conversation_id id) { remove(id); });
  if (const auto* m = body.AsPinConversation())
    return with_id(m->conversation, [&](conversation_id id) {
      change(pin_conversation{ctx.who, id, m->pinned});
    });
  if (const auto* m = body.AsShareConversation())
    return with_id(m->conversation, [&](conversation_id id) {
      change(share_conversation{ctx.who, id, m->group});
    });
  if (const auto* m = body.AsForkConversation())
    return with_id(m->conversation, [&](conversation_id id) {
      change(split_conversation{ctx.who, id, m->position});
    });
  send_error(self, ctx,
             {error_code::malformed_frame,
              std::string(name_of(body.type)) + " is not a request"});
}

}  // namespace

request_actor spawn_catalog_request(caf::actor_system& sys,
                                    request_context ctx) {
  return spawn_request_of<catalog_request_state>(sys, std::move(ctx));
}

}  // namespace lamina

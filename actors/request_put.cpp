// PutConversation, PutActivations, PutLens, FinishConversation: a client brings
// a conversation that was computed elsewhere, one request a frame.
#include <algorithm>
#include <cstring>
#include <utility>

#include "actors/messages/import.hpp"
#include "actors/request.hpp"
#include "actors/view.hpp"

namespace lamina {
namespace {

struct put_request_state {
  using pointer = request_actor::stateful_pointer<put_request_state>;
  explicit put_request_state(pointer actor) : self(actor) {}

  void run();
  void begin(const wire::PutConversationT& put);
  template <class Command>
  void pass_on(const std::string& conversation, Command command);
  void answer(const import_progress& progress);
  caf::actor_addr session() const {
    return caf::actor_cast<caf::actor_addr>(ctx.session);
  }
  void stop(const error& e) { send_error(self, ctx, e); }

  static inline const char* name = "request_put";
  pointer self;
  request_context ctx;
};

auto bad(std::string what) {
  return fail(error_code::invalid_argument, std::move(what));
}

result<digest> read_fingerprint(const std::string& text) {
  if (text.empty()) return digest{};  // not known
  const auto known = digest_from_text(text);
  if (!known) return bad("the fingerprint must have 32 hexadecimal digits");
  return *known;
}

result<site_mask> read_sites(const std::vector<std::uint8_t>& sites) {
  site_mask mask = sites.empty() ? mask_of(site::resid_post) : site_mask{0};
  for (auto number : sites) {
    const auto at = static_cast<site>(number);
    if (to_string(at) == "unknown")
      return bad("site " + std::to_string(number) + " does not exist");
    mask = static_cast<site_mask>(mask | mask_of(at));
  }
  if ((mask & mask_of(site::resid_post)) == 0)
    return bad("resid_post must be among the sites that are brought");
  return mask;
}

result<import_declaration> read_declaration(const wire::PutConversationT& put) {
  import_declaration declared;
  if (put.model.empty() || put.model.size() > limits::brought_name_bytes_max)
    return bad("the model's name is empty or longer than " +
               std::to_string(limits::brought_name_bytes_max) + " bytes");
  declared.model = put.model;
  BOOST_OUTCOME_TRY(fingerprint, read_fingerprint(put.fingerprint));
  declared.fingerprint = fingerprint;
  declared.shape = {put.layers, put.width, static_cast<dtype>(put.dtype)};
  if (to_string(declared.shape.element) == "unknown")
    return bad("dtype " + std::to_string(put.dtype) + " does not exist");
  if (put.layers == 0 || put.layers > limits::brought_layers_max ||
      put.width == 0 || put.width > limits::brought_width_max)
    return bad("layers must be from 1 to " +
               std::to_string(limits::brought_layers_max) +
               " and the width from 1 to " +
               std::to_string(limits::brought_width_max));
  BOOST_OUTCOME_TRY(sites, read_sites(put.sites));
  declared.sites = sites;
  const auto position_bytes =
      declared.shape.slots() * declared.shape.row_bytes();
  if (position_bytes > limits::request_payload_bytes_max)
    return fail(error_code::limit_exceeded,
                "one position takes " + std::to_string(position_bytes) +
                    " bytes, a frame's payload at most " +
                    std::to_string(limits::request_payload_bytes_max));
  if (!put.quality.empty()) {
    const auto kept = quality_named(put.quality);
    if (!kept)
      return bad("quality must be lossless, high, balanced or small, not '" +
                 put.quality + "'");
    declared.kept = *kept;
  }
  return declared;
}

result<lens_rows_ptr> read_records(const wire::PutLensT& put,
                                   std::span<const std::byte> payload) {
  auto rows = std::make_shared<lens_rows>();
  if (put.position_begin >= put.position_end)
    return bad("the range of positions is empty");
  const std::size_t count = put.position_end - put.position_begin;
  if (payload.empty() || payload.size() % (count * sizeof(lens_record)) != 0)
    return bad("a payload of " + std::to_string(payload.size()) +
               " bytes is not lens records of " + std::to_string(count) +
               " positions");
  rows->first = put.position_begin;
  rows->layers = static_cast<std::uint32_t>(
      payload.size() / (count * sizeof(lens_record)) - 1);
  rows->first_rated = put.first_rated;
  rows->records.resize(payload.size() / sizeof(lens_record));
  std::memcpy(rows->records.data(), payload.data(), payload.size());
  return lens_rows_ptr(std::move(rows));
}

bring_rows read_rows(const wire::PutActivationsT& put) {
  bring_rows rows;
  rows.begin = put.position_begin;
  rows.relative_error = put.relative_error;
  rows.tokens.reserve(put.tokens.size());
  for (const auto& token : put.tokens)
    rows.tokens.push_back(
        {token->id, static_cast<role>(token->role), token->turn,
         std::string(token->bytes.begin(), token->bytes.end())});
  return rows;
}

void put_request_state::run() {
  const auto& body = *ctx.body;
  if (const auto* put = body.AsPutConversation()) return begin(*put);
  if (const auto* put = body.AsPutActivations()) {
    auto rows = read_rows(*put);
    rows.session = session();
    rows.rows = std::move(ctx.payload);
    return pass_on(put->conversation, std::move(rows));
  }
  if (const auto* put = body.AsPutLens()) {
    auto records = read_records(
        *put, ctx.payload ? std::span<const std::byte>(*ctx.payload)
                          : std::span<const std::byte>());
    if (!records) return stop(records.error());
    return pass_on(put->conversation,
                   bring_lens{session(), std::move(records).value()});
  }
  const auto& finish = *body.AsFinishConversation();
  pass_on(finish.conversation, end_import{session(), finish.wait_durable});
}

void put_request_state::begin(const wire::PutConversationT& put) {
  auto declared = read_declaration(put);
  if (!declared) return stop(declared.error());
  self->request(
          ctx.view->catalog, caf::infinite,
          open_import{ctx.who, std::move(declared).value(),
                      caf::actor_cast<caf::strong_actor_ptr>(ctx.session)})
      .then(
          [this](const result<import_opened>& opened) {
            if (!opened) return stop(opened.error());
            import_progress progress;
            progress.conversation = opened.value().conversation;
            answer(progress);
          },
          unavailable(self, ctx, "catalog"));
}

/// To the import that writes the conversation.
template <class Command>
void put_request_state::pass_on(const std::string& conversation,
                                Command command) {
  auto id = read_conversation(conversation);
  if (!id) return stop(id.error());
  auto carried = std::make_shared<Command>(std::move(command));
  self->request(ctx.view->catalog, caf::infinite,
                find_import{ctx.who, id.value()})
      .then(
          [this, carried](const result<import_opened>& found) {
            if (!found) return stop(found.error());
            self->request(found.value().import, caf::infinite,
                          std::move(*carried))
                .then(
                    [this](const import_result& taken) {
                      if (!taken) return stop(taken.error());
                      answer(taken.value());
                    },
                    unavailable(self, ctx, "import"));
          },
          unavailable(self, ctx, "catalog"));
}

void put_request_state::answer(const import_progress& progress) {
  wire::BroughtT brought;
  brought.conversation = conversation_text(progress.conversation);
  brought.positions = progress.positions;
  brought.durable_positions = progress.durable_positions;
  brought.durable = progress.durable;
  if (progress.not_durable)
    brought.not_durable_because = lamina::to_string(*progress.not_durable);
  brought.dropped_positions = progress.dropped_positions;
  send_terminal(self, ctx, make_body(std::move(brought)));
}

}  // namespace

request_actor spawn_put_request(caf::actor_system& sys, request_context ctx) {
  return spawn_request_of<put_request_state>(sys, std::move(ctx));
}

}  // namespace lamina

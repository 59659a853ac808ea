// ShowConversation: its text, and when asked for the ledger and what it holds.
// The ledger is the catalog's promise for each chunk and what the auditor finds
// under the chunk's name, some chunks a message.
#include <algorithm>
#include <utility>

#include "actors/audit/ledger.hpp"
#include "actors/request.hpp"

namespace lamina {
namespace {

constexpr std::size_t chunks_at_once = 256;

struct show_request_state {
  using pointer = request_actor::stateful_pointer<show_request_state>;
  explicit show_request_state(pointer actor) : self(actor) {}

  void run();
  void take(const std::shared_ptr<const conversation_shown>& found);
  void next_lines();
  void add_lines(const chunk_contents& stored);
  void take_usage();
  void finish() { send_terminal(self, ctx, make_body(std::move(answer))); }

  static inline const char* name = "request_show";
  pointer self;
  request_context ctx;
  const wire::ShowConversationT* ask = nullptr;
  std::shared_ptr<const conversation_shown> shown;
  wire::ConversationT answer;
};

wire::LedgerEntryT to_wire(const chunk_record& c, position_t first) {
  wire::LedgerEntryT w;
  w.position_begin = first;
  w.position_end = first + static_cast<position_t>(c.tokens.size());
  w.chunk = to_string(c.name);
  w.full = c.full;
  w.embed = to_string(c.embed);
  w.resid_post = to_string(c.resid_post);
  w.final_norm = to_string(c.final_norm);
  w.lens = to_string(c.lens);
  return w;
}

wire::LedgerLineT to_wire(const ledger_line& line, position_t first) {
  wire::LedgerLineT w;
  w.site = static_cast<std::uint8_t>(line.at);
  w.layer_begin = static_cast<std::uint16_t>(line.layer_begin);
  w.layer_end = static_cast<std::uint16_t>(line.layer_end);
  w.position_begin = first + line.row_begin;
  w.position_end = first + line.row_end;
  w.state = to_string(line.state);
  if (line.kept) w.quality = to_string(*line.kept);
  w.relative_error = line.errors.row;
  w.ordinary_error = line.errors.ordinary;
  w.stored_bytes = line.stored_bytes;
  return w;
}

std::string state_of(const std::vector<ledger_line>& lines, site at) {
  const auto common = common_state(lines, at);
  return common ? std::string(to_string(*common)) : "partial";
}

void show_request_state::run() {
  ask = ctx.body->AsShowConversation();
  auto id = read_conversation(ask->conversation);
  if (!id) return send_error(self, ctx, id.error());
  self->request(ctx.view->catalog, caf::infinite,
                show_conversation{ctx.uid, id.value()})
      .then(
          [this](const show_result& found) {
            if (!found) return send_error(self, ctx, found.error());
            take(found.value());
          },
          unavailable(self, ctx, "catalog"));
}

void show_request_state::take(
    const std::shared_ptr<const conversation_shown>& found) {
  shown = found;
  answer = lamina::to_wire(shown->record);
  position_t p = 0;
  for (const auto& chunk : shown->chunks)
    for (const auto& token : chunk.tokens)
      answer.tokens.push_back(
          std::make_unique<wire::TokenT>(lamina::to_wire({p++, token})));
  answer.positions = p;
  if (ask->ledger) return next_lines();
  take_usage();
}

void show_request_state::next_lines() {
  const auto begin = answer.ledger.size();
  if (begin == shown->chunks.size()) return take_usage();
  read_contents wanted;
  const auto end = std::min(shown->chunks.size(), begin + chunks_at_once);
  for (auto i = begin; i < end; ++i)
    wanted.names.push_back(shown->chunks[i].name);
  self->request(ctx.view->auditor, caf::infinite, std::move(wanted))
      .then(
          [this](const contents_read& read) {
            if (!read) return send_error(self, ctx, read.error());
            for (const auto& stored : read.value())
              add_lines(stored);
            next_lines();
          },
          unavailable(self, ctx, "auditor"));
}

void show_request_state::add_lines(const chunk_contents& stored) {
  const auto index = static_cast<std::uint32_t>(answer.ledger.size());
  const auto& chunk = shown->chunks[index];
  const auto first = first_position(index);
  const auto lines = ledger_of(chunk, shown->record.shape, stored);
  auto entry = std::make_unique<wire::LedgerEntryT>(to_wire(chunk, first));
  entry->embed = state_of(lines, site::embed);
  entry->resid_post = state_of(lines, site::resid_post);
  entry->final_norm = state_of(lines, site::final_norm);
  for (const auto& line : lines)
    entry->lines.push_back(
        std::make_unique<wire::LedgerLineT>(to_wire(line, first)));
  answer.ledger.push_back(std::move(entry));
}

/// A turn that just began is not on disk yet: it holds nothing.
void show_request_state::take_usage() {
  if (!ask->usage) return finish();
  self->request(ctx.view->auditor, caf::infinite,
                read_usage_of{shown->record.id})
      .then(
          [this](const usage_of_read& read) {
            if (!read && read.error().code != error_code::not_found)
              return send_error(self, ctx, read.error());
            answer.holding = std::make_unique<wire::HoldingT>(
                lamina::to_wire(read ? read.value() : usage{}));
            finish();
          },
          unavailable(self, ctx, "auditor"));
}

}  // namespace

request_actor spawn_show_request(caf::actor_system& sys, request_context ctx) {
  return spawn_request_of<show_request_state>(sys, std::move(ctx));
}

}  // namespace lamina

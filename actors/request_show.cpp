// ShowConversation: its text, and when asked for the ledger and what it holds,
// as many chunks a frame as fit one. The ledger is the catalog's promise for
// each chunk and what the auditor finds under the chunk's name.
#include <algorithm>
#include <utility>

#include "actors/audit/ledger.hpp"
#include "actors/request.hpp"

namespace lamina {
namespace {

constexpr std::size_t frame_chunks_max =
    limits::frame_tokens_max / chunk_positions;

struct show_request_state {
  using pointer = request_actor::stateful_pointer<show_request_state>;
  explicit show_request_state(pointer actor) : self(actor) {}

  void run();
  void next_frame(std::size_t begin);
  void read_lines(std::size_t begin, std::size_t end);
  std::size_t add_lines(std::size_t begin,
                        const std::vector<chunk_contents>& stored);
  void add_entry(std::size_t index, const chunk_contents& stored);
  void add_tokens(std::size_t begin, std::size_t end);
  void send(std::size_t begin, std::size_t end);
  void take_usage();
  void finish() { send_terminal(self, ctx, make_body(std::move(answer))); }

  static inline const char* name = "request_show";
  pointer self;
  request_context ctx;
  const wire::ShowConversationT* ask = nullptr;
  std::shared_ptr<const conversation_shown> shown;
  wire::ConversationT answer;  // the next frame
  std::size_t lines = 0;       // of it
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
                show_conversation{ctx.who, id.value()})
      .then(
          [this](const show_result& found) {
            if (!found) return send_error(self, ctx, found.error());
            shown = found.value();
            next_frame(chunk_of(ask->from_position));
          },
          unavailable(self, ctx, "catalog"));
}

/// Of chunks from `begin` on.
void show_request_state::next_frame(std::size_t begin) {
  const auto& chunks = shown->chunks;
  answer = lamina::to_wire(shown->record, ctx.who);
  answer.positions = 0;
  for (const auto& chunk : chunks)
    answer.positions += static_cast<position_t>(chunk.tokens.size());
  lines = 0;
  const auto end = std::min(chunks.size(), begin + frame_chunks_max);
  if (ask->ledger && begin < end) return read_lines(begin, end);
  send(begin, ask->tokens ? end : chunks.size());
}

void show_request_state::read_lines(std::size_t begin, std::size_t end) {
  read_contents wanted;
  for (auto i = begin; i < end; ++i)
    wanted.names.push_back(shown->chunks[i].name);
  self->request(ctx.view->auditor, caf::infinite, std::move(wanted))
      .then(
          [this, begin](const contents_read& read) {
            if (!read) return send_error(self, ctx, read.error());
            send(begin, add_lines(begin, read.value()));
          },
          unavailable(self, ctx, "auditor"));
}

/// How far they fit the frame.
std::size_t show_request_state::add_lines(
    std::size_t begin, const std::vector<chunk_contents>& stored) {
  auto index = begin;
  for (const auto& of : stored) {
    if (lines >= limits::frame_ledger_lines_max) break;
    add_entry(index++, of);
  }
  return index;
}

void show_request_state::add_entry(std::size_t index,
                                   const chunk_contents& stored) {
  const auto& chunk = shown->chunks[index];
  const auto first = first_position(static_cast<std::uint32_t>(index));
  const auto found = ledger_of(chunk, shown->record.shape, stored);
  auto entry = std::make_unique<wire::LedgerEntryT>(to_wire(chunk, first));
  entry->embed = state_of(found, site::embed);
  entry->resid_post = state_of(found, site::resid_post);
  entry->final_norm = state_of(found, site::final_norm);
  for (const auto& line : found)
    entry->lines.push_back(
        std::make_unique<wire::LedgerLineT>(to_wire(line, first)));
  lines += found.size();
  answer.ledger.push_back(std::move(entry));
}

void show_request_state::add_tokens(std::size_t begin, std::size_t end) {
  for (auto c = begin; c < end; ++c) {
    auto p = first_position(static_cast<std::uint32_t>(c));
    for (const auto& token : shown->chunks[c].tokens) {
      const auto at = p++;
      if (at >= ask->from_position)
        answer.tokens.push_back(
            std::make_unique<wire::TokenT>(lamina::to_wire({at, token})));
    }
  }
}

/// Chunks begin .. end-1, whose lines the frame has.
void show_request_state::send(std::size_t begin, std::size_t end) {
  if (ask->tokens) add_tokens(begin, end);
  answer.last = end >= shown->chunks.size();
  if (answer.last) return take_usage();
  send_response(self, ctx, frame_kind::response, make_body(std::move(answer)),
                {}, [this, end] { next_frame(end); });
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

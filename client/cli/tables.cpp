#include "client/cli/tables.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "client/cli/table_rows.hpp"
#include "client/cli/text.hpp"
#include "protocol/site.hpp"

namespace lamina::cli {
namespace {

std::string grouped(std::uint64_t count) {
  if (count >= 1'000'000'000) return fmt::format("{:.2f} B", count / 1e9);
  if (count >= 1'000'000) return fmt::format("{:.2f} M", count / 1e6);
  return std::to_string(count);
}

// "present high 0.43 %", or each of the fates that lines of a site have.
std::string fate(const wire::LedgerEntryT& entry, site at,
                 const std::string& state) {
  std::string text;
  for (const auto& line : entry.lines) {
    if (line->site != static_cast<std::uint8_t>(at)) continue;
    std::string words = harmless(line->state);
    if (!line->quality.empty()) words += " " + harmless(line->quality);
    if (line->relative_error > 0)
      words += fmt::format(" {:.2g} %", 100 * line->relative_error);
    if (state == "partial")
      words += fmt::format(" (layers {}:{}, positions {}:{})",
                           line->layer_begin, line->layer_end,
                           line->position_begin, line->position_end);
    if (text.ends_with(words)) continue;
    text += (text.empty() ? "" : ", ") + words;
  }
  return text.empty() ? harmless(state) : text;
}

std::string render_ledger(const wire::ConversationT& conversation,
                          const style& look) {
  std::vector<table_row> rows;
  for (const auto& entry : conversation.ledger)
    rows.push_back(
        {fmt::format("{}:{}", entry->position_begin, entry->position_end),
         harmless(entry->chunk), entry->full ? "full" : "open",
         fate(*entry, site::embed, entry->embed),
         fate(*entry, site::resid_post, entry->resid_post),
         fate(*entry, site::final_norm, entry->final_norm),
         harmless(entry->lens)});
  return "\n" + render_rows({"positions", "chunk", "", "embed", "resid_post",
                             "final_norm", "lens"},
                            rows, look);
}

std::string render_holding(const wire::HoldingT& h) {
  return fmt::format(
      "on disk: {} activations and {} lens records of its own, {} and {} "
      "shared, {} tokens\n",
      bytes_text(static_cast<double>(h.unique_activation_bytes)),
      bytes_text(static_cast<double>(h.unique_lens_bytes)),
      bytes_text(static_cast<double>(h.shared_activation_bytes)),
      bytes_text(static_cast<double>(h.shared_lens_bytes)),
      bytes_text(static_cast<double>(h.record_bytes)));
}

// Consecutive tokens of one role and turn, decoded together: characters may
// lie across tokens.
std::string render_text(const wire::ConversationT& conversation,
                        const style& look) {
  std::string text;
  std::string bytes;
  const auto& tokens = conversation.tokens;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    bytes += text_of(tokens[i]->bytes);
    const bool ends = i + 1 == tokens.size() ||
                      tokens[i + 1]->role != tokens[i]->role ||
                      tokens[i + 1]->turn != tokens[i]->turn;
    if (!ends) continue;
    const bool answer =
        tokens[i]->role == static_cast<std::uint8_t>(role::assistant);
    text += answer ? harmless(bytes) : look.dim(harmless(bytes));
    bytes.clear();
  }
  return text.empty() ? text : "\n" + text + "\n";
}

void append_status(std::string& text, const nlohmann::ordered_json& value,
                   std::size_t indent, const style& look) {
  for (const auto& item : value.items()) {
    text.append(indent, ' ');
    text += value.is_array() ? "- " : look.dim(harmless(item.key()) + ":");
    if (item.value().is_structured() && !item.value().empty()) {
      text += "\n";
      append_status(text, item.value(), indent + 2, look);
      continue;
    }
    if (!value.is_array()) text += " ";
    text += item.value().is_string()
                ? harmless(item.value().get_ref<const std::string&>())
                : item.value().dump();
    text += "\n";
  }
}

/// Another's, which is shared with you, is told apart first.
const char* mark_of(const wire::ConversationT& conversation) {
  if (!conversation.yours) return "shared";
  return conversation.pinned ? "pinned" : "";
}

/// "int8, logits 1.2 % off"
std::string weights_of(const wire::ModelInfoT& model) {
  std::string text = harmless(model.weights);
  if (model.logits_error > 0)
    text += fmt::format(", logits {:.2g} % off", 100 * model.logits_error);
  else if (model.weight_error > 0)
    text += fmt::format(", {:.2g} % off", 100 * model.weight_error);
  return text;
}

}  // namespace

std::string utc_minute(std::int64_t unix_ms) {
  using namespace std::chrono;
  const sys_time<milliseconds> at{milliseconds(unix_ms)};
  const auto day = floor<days>(at);
  const year_month_day date{day};
  const auto minutes_of_day = floor<minutes>(at - day).count();
  return fmt::format(
      "{:04}-{:02}-{:02} {:02}:{:02}", static_cast<int>(date.year()),
      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
      minutes_of_day / 60, minutes_of_day % 60);
}

std::string render_models(const wire::ModelsT& models, const style& look) {
  std::vector<table_row> rows;
  for (const auto& model : models.models)
    rows.push_back(
        {harmless(model->name), harmless(model->architecture),
         grouped(model->parameters), std::to_string(model->layers),
         std::to_string(model->width), std::to_string(model->vocabulary),
         std::to_string(model->context_length),
         std::string(to_string(static_cast<dtype>(model->dtype))),
         weights_of(*model), harmless(model->device), harmless(model->health)});
  return render_rows(
      {"name", "family", "parameters", "layers", "width", "vocabulary",
       "context", "dtype", "weights", "device", "health"},
      rows, look);
}

std::string render_conversations(const wire::ConversationsT& conversations,
                                 const style& look, std::size_t columns) {
  std::vector<const wire::ConversationT*> sorted;
  for (const auto& conversation : conversations.conversations)
    sorted.push_back(conversation.get());
  std::sort(sorted.begin(), sorted.end(), [](const auto* a, const auto* b) {
    return a->created_unix_ms < b->created_unix_ms;
  });
  // What is left of the line after the other columns of usual width.
  const std::size_t preview_columns = columns > 90 ? columns - 70 : 20;
  std::vector<table_row> rows;
  for (const auto* conversation : sorted) {
    const auto preview = visible(conversation->preview);
    rows.push_back(
        {harmless(conversation->id), utc_minute(conversation->created_unix_ms),
         harmless(conversation->model), harmless(conversation->state),
         std::to_string(conversation->turns),
         std::to_string(conversation->positions), mark_of(*conversation),
         display_width(preview) > preview_columns
             ? fit(preview, preview_columns)
             : preview});
  }
  return render_rows({"conversation", "created (UTC)", "model", "state",
                      "turns", "tokens", "", "begins"},
                     rows, look);
}

std::string render_conversation(const wire::ConversationT& conversation,
                                const style& look) {
  std::string text = fmt::format(
      "{}  {}  {}, {} turns, {} tokens{}\n", look.bold(conversation.id),
      harmless(conversation.model), harmless(conversation.state),
      conversation.turns, conversation.positions,
      conversation.pinned ? ", pinned" : "");
  const auto owner = conversation.owner.empty()
                         ? std::to_string(conversation.owner_uid)
                         : "token " + harmless(conversation.owner);
  text += look.dim(
      fmt::format("created {} UTC, read {} UTC, owner {}{}\n",
                  utc_minute(conversation.created_unix_ms),
                  utc_minute(conversation.accessed_unix_ms), owner,
                  conversation.group.empty()
                      ? ""
                      : ", shared with " + harmless(conversation.group)));
  if (!conversation.parent.empty())
    text += look.dim(fmt::format("fork of {} at position {}\n",
                                 harmless(conversation.parent),
                                 conversation.forked_at));
  if (conversation.holding)
    text += look.dim(render_holding(*conversation.holding));
  text += render_text(conversation, look);
  if (!conversation.ledger.empty()) text += render_ledger(conversation, look);
  return text;
}

std::string render_status(const nlohmann::ordered_json& status,
                          const style& look) {
  std::string text;
  append_status(text, status, 0, look);
  return text;
}

std::string render_done(const turn_record& turn, const style& look) {
  const auto& done = turn.done;
  std::string line = fmt::format(
      "{}  {} tokens read ({} reused), {} written, {:.1f} tokens/s, first "
      "after {:.0f} ms, ended by {}",
      harmless(done.conversation), done.prompt_tokens, done.reused_tokens,
      done.new_tokens, done.tokens_per_second, done.first_token_ms,
      harmless(done.finish));
  if (done.durable) line += ", durable";
  if (!done.not_durable_because.empty())
    line += ", not durable: " + harmless(done.not_durable_because);
  if (done.dropped_positions > 0)
    line += fmt::format(", {} positions without raw activations",
                        done.dropped_positions);
  if (turn.seed) line += fmt::format(", seed {}", *turn.seed);
  return look.dim(line) + "\n";
}

}  // namespace lamina::cli

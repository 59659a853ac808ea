#include "client/cli/json_forms.hpp"

#include <fmt/format.h>

#include <cmath>

#include "client/cli/text.hpp"
#include "protocol/site.hpp"

namespace lamina::cli {
namespace {

template <class T>
json list(const std::vector<std::unique_ptr<T>>& values,
          json (*form_of)(const T&)) {
  json all = json::array();
  for (const auto& value : values)
    all.push_back(form_of(*value));
  return all;
}

std::string hexadecimal(const std::vector<std::uint8_t>& bytes) {
  std::string text;
  for (const auto byte : bytes)
    text += fmt::format("{:02x}", byte);
  return text;
}

json model_form(const wire::ModelInfoT& model) {
  return {{"name", model.name},
          {"architecture", model.architecture},
          {"layers", model.layers},
          {"width", model.width},
          {"heads", model.heads},
          {"kv_heads", model.kv_heads},
          {"vocabulary", model.vocabulary},
          {"context_length", model.context_length},
          {"parameters", model.parameters},
          {"weight_bytes", model.weight_bytes},
          {"copied_bytes", model.copied_bytes},
          {"device", model.device},
          {"device_bytes", model.device_bytes},
          {"dtype", to_string(static_cast<dtype>(model.dtype))},
          {"weights", model.weights},
          {"weight_error", model.weight_error},
          {"logits_error", model.logits_error},
          {"fingerprint", model.fingerprint},
          {"matmul_path", model.matmul_path},
          {"lenses", model.lenses},
          {"usual_sampling",
           {{"temperature", model.usual_temperature},
            {"top_k", model.usual_top_k},
            {"top_p", model.usual_top_p}}},
          {"health", model.health}};
}

json layer_form(const wire::LensLayerT& layer) {
  json top = json::array();
  for (std::size_t i = 0; i < layer.ids.size(); ++i) {
    json entry{{"id", layer.ids[i]}};
    if (i < layer.texts.size()) entry["text"] = layer.texts[i];
    if (i < layer.log_probabilities.size())
      entry["probability"] = std::exp(layer.log_probabilities[i]);
    top.push_back(std::move(entry));
  }
  json form{{"layer", layer.layer},
            {"top", std::move(top)},
            {"entropy", layer.entropy},
            {"kl_to_final", layer.kl_to_final}};
  // null, not absent: what came next is unknown, and that is an answer.
  form["next_id"] = layer.next_rated ? json(layer.next_id) : json();
  form["rank_of_next"] = layer.next_rated ? json(layer.rank_of_next) : json();
  form["probability_of_next"] =
      layer.next_rated ? json(std::exp(layer.log_probability_of_next)) : json();
  if (layer.ranks_of_tracked.empty()) return form;
  json tracked = json::array();
  for (std::size_t i = 0; i < layer.ranks_of_tracked.size() &&
                          i < layer.log_probabilities_of_tracked.size();
       ++i)
    tracked.push_back(
        {{"rank", layer.ranks_of_tracked[i]},
         {"log_probability", layer.log_probabilities_of_tracked[i]}});
  form["tracked"] = std::move(tracked);
  return form;
}

json position_form(const wire::LensPositionT& at) {
  json form{{"position", at.token ? json(at.token->position) : json()},
            {"token", at.token ? to_json(*at.token) : json()},
            {"layers", list(at.layers, layer_form)},
            {"source", at.source},
            {"exact", at.exact}};
  if (!at.exact) form["relative_error"] = at.relative_error;
  return form;
}

json line_form(const wire::LedgerLineT& line) {
  json form{{"site", to_string(static_cast<site>(line.site))},
            {"layers", {line.layer_begin, line.layer_end}},
            {"positions", {line.position_begin, line.position_end}},
            {"state", line.state}};
  if (line.quality.empty()) return form;
  form["quality"] = line.quality;
  form["relative_error"] = line.relative_error;
  form["ordinary_error"] = line.ordinary_error;
  form["stored_bytes"] = line.stored_bytes;
  return form;
}

json ledger_form(const wire::LedgerEntryT& entry) {
  return {{"position_begin", entry.position_begin},
          {"position_end", entry.position_end},
          {"chunk", entry.chunk},
          {"full", entry.full},
          {"embed", entry.embed},
          {"resid_post", entry.resid_post},
          {"final_norm", entry.final_norm},
          {"lens", entry.lens},
          {"lines", list(entry.lines, line_form)}};
}

json tokens_form(const std::vector<std::unique_ptr<wire::TokenT>>& tokens) {
  json (*const form_of)(const wire::TokenT&) = to_json;
  return list(tokens, form_of);
}

}  // namespace

std::string print(const json& document) {
  return document.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

std::string print_line(const json& document) {
  return document.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

json to_json(const wire::TokenT& token) {
  const auto bytes = text_of(token.bytes);
  json form{{"position", token.position},
            {"id", token.id},
            {"text", valid_utf8(bytes)},
            {"role", to_string(static_cast<role>(token.role))},
            {"turn", token.turn}};
  if (!is_valid_utf8(bytes)) form["bytes"] = hexadecimal(token.bytes);
  return form;
}

json to_json(const wire::HoldingT& holding) {
  return {{"unique_activation_bytes", holding.unique_activation_bytes},
          {"unique_lens_bytes", holding.unique_lens_bytes},
          {"shared_activation_bytes", holding.shared_activation_bytes},
          {"shared_lens_bytes", holding.shared_lens_bytes},
          {"record_bytes", holding.record_bytes},
          {"chunks", holding.chunks}};
}

json to_json(const wire::ModelsT& models) {
  return {{"models", list(models.models, model_form)}};
}

json to_json(const turn_record& turn) {
  const auto& done = turn.done;
  json tokens = json::array();
  for (const auto& token : turn.tokens)
    tokens.push_back(to_json(token));
  json form{
      {"conversation", done.conversation.empty() ? turn.started.conversation
                                                 : done.conversation},
      {"model", turn.started.model},
      {"turn", turn.started.turn},
      {"tokens", std::move(tokens)},
      {"text", turn.text},
      {"finish", done.finish},
      {"positions", done.positions},
      {"durable", done.durable}};
  if (!done.not_durable_because.empty())
    form["not_durable_because"] = done.not_durable_because;
  form["prompt_tokens"] = done.prompt_tokens;
  form["new_tokens"] = done.new_tokens;
  form["reused_tokens"] = done.reused_tokens;
  form["tokens_per_second"] = done.tokens_per_second;
  form["first_token_ms"] = done.first_token_ms;
  form["total_ms"] = done.total_ms;
  form["durable_ms"] = done.durable_ms;
  form["stop_inside_token"] = done.stop_inside_token;
  form["dropped_positions"] = done.dropped_positions;
  if (turn.seed) form["seed"] = *turn.seed;
  return form;
}

json to_json(const wire::LensResultT& lens) {
  json form{{"conversation", lens.conversation}};
  if (!lens.positions.empty())
    form.update(position_form(*lens.positions.front()));
  form["context"] = tokens_form(lens.context);
  form["took_us"] = lens.took_us;
  if (lens.positions.size() > 1)
    form["positions"] = list(lens.positions, position_form);
  return form;
}

json range_to_json(const wire::LensResultT& lens, const std::string& tuned) {
  json tracked = json::array();
  for (const auto& token : lens.tracked)
    tracked.push_back(
        {{"id", token->id}, {"text", valid_utf8(text_of(token->bytes))}});
  return {{"conversation", lens.conversation},
          {"lens", tuned.empty() ? json() : json(tuned)},
          {"tracked", std::move(tracked)},
          {"positions", list(lens.positions, position_form)},
          {"computed", lens.positions_computed},
          {"took_us", lens.took_us}};
}

json position_to_json(const wire::LensPositionT& at) {
  return position_form(at);
}

json to_json(const activation_array& activations, const std::string& output) {
  json slots = json::array();
  for (const auto& slot : activations.slots) {
    json form{{"name", name_of(slot)}, {"site", to_string(slot.site)}};
    if (is_per_layer(slot.site)) form["layer"] = slot.layer;
    slots.push_back(std::move(form));
  }
  return {{"conversation", activations.conversation},
          {"positions", {activations.position_begin, activations.position_end}},
          {"slots", std::move(slots)},
          {"width", activations.width},
          {"dtype", to_string(activations.dtype)},
          {"bytes", activations.values.size()},
          {"source", activations.source},
          {"exact", activations.exact},
          {"relative_error", activations.relative_error},
          {"took_us", activations.took_us},
          {"output", output}};
}

json to_json(const wire::SearchResultT& found, bool ranked) {
  json hits = json::array();
  for (const auto& hit : found.hits) {
    json form;
    if (ranked) form["score"] = hit->score;
    form["conversation"] = hit->conversation;
    if (hit->token) form.update(to_json(*hit->token));
    form["tokens"] = hit->tokens;
    form["before"] = valid_utf8(text_of(hit->before));
    form["match"] = valid_utf8(text_of(hit->text));
    form["after"] = valid_utf8(text_of(hit->after));
    form["shared_by"] = hit->shared_by;
    hits.push_back(std::move(form));
  }
  return {{"hits", std::move(hits)},
          {"found", found.found},
          {"chunks_scanned", found.chunks_scanned},
          {"chunks_total", found.chunks_total},
          {"positions_scored", found.positions_scored},
          {"positions_missing", found.positions_missing},
          {"positions_unrankable", found.positions_unrankable},
          {"conversations", found.conversations},
          {"conversations_passed_over", found.conversations_passed_over},
          {"conversations_unreadable", found.conversations_unreadable},
          {"exact", found.exact},
          {"relative_error", found.relative_error},
          {"complete", found.last},
          {"took_us", found.took_us}};
}

json summary(const wire::ConversationT& conversation) {
  json form{{"id", conversation.id},
            {"model", conversation.model},
            {"owner_uid", conversation.owner_uid},
            {"owner", conversation.owner},
            {"group", conversation.group},
            {"yours", conversation.yours},
            {"created_unix_ms", conversation.created_unix_ms},
            {"accessed_unix_ms", conversation.accessed_unix_ms},
            {"pinned", conversation.pinned},
            {"state", conversation.state},
            {"turns", conversation.turns},
            {"positions", conversation.positions},
            {"parent",
             conversation.parent.empty() ? json() : json(conversation.parent)}};
  if (!conversation.parent.empty()) form["forked_at"] = conversation.forked_at;
  form["root"] = conversation.root;
  form["origin"] = conversation.origin;
  form["fingerprint"] = conversation.fingerprint;
  form["preview"] = conversation.preview;
  if (conversation.holding) form["holding"] = to_json(*conversation.holding);
  if (!conversation.ledger.empty())
    form["ledger"] = list(conversation.ledger, ledger_form);
  return form;
}

json to_json(const wire::ConversationT& conversation) {
  json form = summary(conversation);
  form["tokens"] = tokens_form(conversation.tokens);
  return form;
}

json to_json(const wire::ConversationsT& conversations) {
  return {{"conversations", list(conversations.conversations, summary)}};
}

json to_json(const error& e) {
  json form{{"code", to_string(e.code)}, {"message", e.context}};
  if (e.retry_after_ms != 0) form["retry_after_ms"] = e.retry_after_ms;
  return {{"error", std::move(form)}};
}

}  // namespace lamina::cli

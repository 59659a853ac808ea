#include "client/cli/conversation_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "client/cli/tensor_files.hpp"
#include "client/cli/token_file.hpp"

namespace lamina::cli {
namespace {

using json = nlohmann::ordered_json;

constexpr position_t chunk_positions = 16;
constexpr std::uint64_t header_bytes_max = 100'000'000;

std::string_view presence_of(const wire::LedgerEntryT& chunk, site at) {
  switch (at) {
    case site::embed:
      return chunk.embed;
    case site::resid_post:
      return chunk.resid_post;
    case site::final_norm:
      return chunk.final_norm;
  }
  return {};
}

void extend(std::vector<position_span>& spans, position_span by) {
  if (!spans.empty() && spans.back().end == by.begin)
    spans.back().end = by.end;
  else
    spans.push_back(by);
}

json spans_form(const std::vector<position_span>& spans) {
  json form = json::array();
  for (const auto& span : spans)
    form.push_back({span.begin, span.end});
  return form;
}

json tokens_form(const wire::ConversationT& conversation) {
  json ids = json::array();
  json roles = json::array();
  json turns = json::array();
  json bytes = json::array();
  for (const auto& token : conversation.tokens) {
    ids.push_back(token->id);
    roles.push_back(to_string(static_cast<role>(token->role)));
    turns.push_back(token->turn);
    bytes.push_back(to_hexadecimal(token->bytes));
  }
  return {{"ids", ids}, {"roles", roles}, {"turns", turns}, {"bytes", bytes}};
}

json ledger_form(const wire::ConversationT& conversation) {
  json form = json::array();
  for (const auto& chunk : conversation.ledger)
    form.push_back({{"positions", {chunk->position_begin, chunk->position_end}},
                    {"chunk", chunk->chunk},
                    {"embed", chunk->embed},
                    {"resid_post", chunk->resid_post},
                    {"final_norm", chunk->final_norm},
                    {"lens", chunk->lens}});
  return form;
}

/// Adds tensors one after another to a header.
class header_builder {
 public:
  std::uint64_t add(const std::string& name, std::string_view dtype,
                    const std::vector<std::uint64_t>& shape,
                    std::uint64_t bytes) {
    header_[name] = {{"dtype", dtype},
                     {"shape", shape},
                     {"data_offsets", {end_, end_ + bytes}}};
    return std::exchange(end_, end_ + bytes);
  }
  json header_;
  std::uint64_t end_ = 0;
};

}  // namespace

conversation_layout layout_of(const wire::ConversationT& conversation) {
  conversation_layout layout;
  layout.layers = conversation.layers;
  layout.width = conversation.width;
  layout.dtype = static_cast<dtype>(conversation.dtype);
  for (const auto& chunk : conversation.ledger) {
    const position_span span{chunk->position_begin, chunk->position_end};
    if (chunk->lens == "present") extend(layout.lens, span);
    if (chunk->resid_post != "present") continue;
    if (layout.sites.empty())
      for (const auto at : {site::embed, site::resid_post, site::final_norm})
        if (presence_of(*chunk, at) == "present") layout.sites.push_back(at);
    if (std::all_of(layout.sites.begin(), layout.sites.end(), [&](site at) {
          return presence_of(*chunk, at) == "present";
        }))
      extend(layout.rows, span);
  }
  if (layout.sites.empty()) layout.sites.push_back(site::resid_post);
  for (const auto at : layout.sites)
    for (std::uint32_t l = 0; l < (is_per_layer(at) ? layout.layers : 1); ++l)
      layout.slots.push_back({at, static_cast<std::uint16_t>(l)});
  return layout;
}

std::uint64_t count(const std::vector<position_span>& spans) {
  return count_before(spans, ~position_t{0});
}

std::uint64_t count_before(const std::vector<position_span>& spans,
                           position_t p) {
  std::uint64_t n = 0;
  for (const auto& span : spans)
    n += std::min(span.end, std::max(p, span.begin)) - span.begin;
  return n;
}

std::uint64_t chunks_before(const std::vector<position_span>& spans,
                            position_t p) {
  std::uint64_t n = 0;
  for (const auto& span : spans) {
    const auto end = std::min(span.end, std::max(p, span.begin));
    n += (end - span.begin + chunk_positions - 1) / chunk_positions;
  }
  return n;
}

std::string document_of(const wire::ConversationT& conversation,
                        const conversation_layout& layout) {
  json sites = json::array();
  for (const auto at : layout.sites)
    sites.push_back(to_string(at));
  const json document{{"format", "lamina conversation"},
                      {"version", 1},
                      {"conversation", conversation.id},
                      {"model", conversation.model},
                      {"fingerprint", conversation.fingerprint},
                      {"origin", conversation.origin},
                      {"root", conversation.root},
                      {"layers", layout.layers},
                      {"width", layout.width},
                      {"dtype", to_string(layout.dtype)},
                      {"created_unix_ms", conversation.created_unix_ms},
                      {"state", conversation.state},
                      {"turns", conversation.turns},
                      {"positions", conversation.tokens.size()},
                      {"sites", sites},
                      {"rows", spans_form(layout.rows)},
                      {"lens", spans_form(layout.lens)},
                      {"tokens", tokens_form(conversation)},
                      {"ledger", ledger_form(conversation)}};
  return document.dump(-1, ' ', false, json::error_handler_t::replace);
}

result<conversation_header> header_of(const wire::ConversationT& conversation,
                                      const conversation_layout& layout) {
  header_builder builder;
  builder.header_["__metadata__"] = {
      {"lamina", document_of(conversation, layout)}};
  conversation_header made;
  const auto rows = count(layout.rows);
  const auto positions = count(layout.lens);
  if (rows > 0) {
    for (const auto& slot : layout.slots)
      made.slots.push_back(
          builder.add(name_of(slot), safetensors_dtype(layout.dtype),
                      {rows, layout.width}, rows * layout.row_bytes()));
    const auto chunks = chunks_before(layout.rows, ~position_t{0});
    made.relative_error =
        builder.add("relative_error", "F32", {chunks}, chunks * sizeof(float));
  }
  if (positions > 0) {
    for (std::size_t i = 0; i < lens_parts.size(); ++i) {
      const auto& part = lens_parts[i];
      std::vector<std::uint64_t> shape{positions, layout.lens_rows()};
      if (part.bytes > 4) shape.push_back(part.bytes / 4);
      made.lens[i] = builder.add(part.tensor, part.dtype, shape,
                                 positions * layout.lens_rows() * part.bytes);
    }
    made.lens_rated = builder.add("lens.rated", "U8", {positions}, positions);
  }
  made.bytes = framed_header(builder.header_);
  if (made.bytes.size() > header_bytes_max)
    return fail(error_code::limit_exceeded,
                fmt::format("the conversation's {} tokens do not fit the "
                            "header of a .safetensors file",
                            conversation.tokens.size()));
  for (auto& at : made.slots)
    at += made.bytes.size();
  for (auto& at : made.lens)
    at += made.bytes.size();
  made.relative_error += made.bytes.size();
  made.lens_rated += made.bytes.size();
  made.file_bytes = made.bytes.size() + builder.end_;
  return made;
}

}  // namespace lamina::cli

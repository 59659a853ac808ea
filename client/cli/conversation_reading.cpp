// A conversation's file on its way back: everything that it says is checked
// against what it holds before the daemon hears of it.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "client/cli/conversation_file.hpp"
#include "client/cli/tensor_files.hpp"
#include "client/cli/token_file.hpp"
#include "protocol/limits.hpp"

namespace lamina::cli {
namespace {

using nlohmann::json;
using file_ptr = std::shared_ptr<const safetensors_file>;

constexpr position_t chunk_positions = 16;

auto wrong(const safetensors_file& file, std::string_view sentence) {
  return fail(error_code::invalid_argument,
              fmt::format("'{}' {}", file.path(), sentence));
}

result<std::vector<wire::TokenT>> tokens_of(const safetensors_file& file,
                                            const json& form) {
  const auto& ids = form.at("ids");
  const auto& roles = form.at("roles");
  const auto& turns = form.at("turns");
  const auto& bytes = form.at("bytes");
  const auto size = ids.size();
  if (size == 0 || size > limits::positions_max || roles.size() != size ||
      turns.size() != size || bytes.size() != size)
    return wrong(file, "has lists of tokens that do not fit together");
  std::vector<wire::TokenT> tokens(size);
  for (std::size_t i = 0; i < size; ++i) {
    auto& token = tokens[i];
    const auto id = whole_number(ids[i], ~std::uint32_t{0});
    const auto turn = whole_number(turns[i], ~std::uint16_t{0});
    if (!id || !turn)
      return wrong(file, fmt::format("has a token {} whose id or turn is no "
                                     "whole number in its range",
                                     i));
    token.id = *id;
    token.turn = static_cast<std::uint16_t>(*turn);
    token.role = role_named(roles[i].get<std::string>());
    auto text = from_hexadecimal(bytes[i].get<std::string>());
    if (!text || token.role == 0)
      return wrong(file, fmt::format("has a token {} without a role, or with "
                                     "bytes that are not hexadecimal",
                                     i));
    token.bytes = std::move(text).value();
  }
  return tokens;
}

/// Ascending, apart, within the conversation and from the begin of a chunk on.
result<std::vector<position_span>> spans_of(const safetensors_file& file,
                                            const json& form,
                                            std::size_t positions) {
  std::vector<position_span> spans;
  position_t before = 0;
  for (const auto& entry : form) {
    const auto begin = whole_number(entry.at(0), limits::positions_max);
    const auto end = whole_number(entry.at(1), limits::positions_max);
    const position_span span{begin.value_or(0), end.value_or(0)};
    if (entry.size() != 2 || !begin || !end || span.begin >= span.end ||
        span.begin < before || span.begin % chunk_positions != 0 ||
        span.end > positions ||
        (span.end % chunk_positions != 0 && span.end != positions))
      return wrong(file, "has ranges of positions that cannot be");
    spans.push_back(span);
    before = span.end;
  }
  return spans;
}

result<conversation_layout> layout_in(const safetensors_file& file,
                                      const json& document) {
  conversation_layout layout;
  layout.layers =
      whole_number(document.at("layers"), limits::brought_layers_max)
          .value_or(0);
  layout.width =
      whole_number(document.at("width"), limits::brought_width_max).value_or(0);
  const auto type = dtype_from_string(document.at("dtype").get<std::string>());
  if (!type || layout.layers == 0 || layout.width == 0)
    return wrong(file, "has layers, a width or a dtype that cannot be");
  layout.dtype = *type;
  for (const auto& name : document.at("sites")) {
    const auto at = site_from_string(name.get<std::string>());
    if (!at || (!layout.sites.empty() && *at <= layout.sites.back()))
      return wrong(file, "has sites that do not exist, or not in their order");
    layout.sites.push_back(*at);
    for (std::uint32_t l = 0; l < (is_per_layer(*at) ? layout.layers : 1); ++l)
      layout.slots.push_back({*at, static_cast<std::uint16_t>(l)});
  }
  if (std::find(layout.sites.begin(), layout.sites.end(), site::resid_post) ==
      layout.sites.end())
    return wrong(file, "has sites without resid_post among them");
  return layout;
}

wire::PutConversationT declaration_of(const json& document,
                                      const conversation_layout& layout) {
  wire::PutConversationT put;
  put.model = document.at("model").get<std::string>();
  put.fingerprint = document.at("fingerprint").get<std::string>();
  put.dtype = static_cast<std::uint8_t>(layout.dtype);
  put.layers = layout.layers;
  put.width = layout.width;
  for (const auto at : layout.sites)
    put.sites.push_back(static_cast<std::uint8_t>(at));
  put.quality = "lossless";  // what was lossy is not encoded so again
  return put;
}

/// Rows from the file, slot by slot.
result<void> add_rows(const file_ptr& file, const conversation_layout& layout,
                      brought_conversation& into) {
  const auto rows = count(layout.rows);
  if (rows == 0) return success();
  std::vector<const file_tensor*> tensors;
  for (const auto& slot : layout.slots) {
    BOOST_OUTCOME_TRY(t,
                      file->tensor(name_of(slot),
                                   std::string(safetensors_dtype(layout.dtype)),
                                   {rows, layout.width}));
    tensors.push_back(t);
  }
  const auto chunks = chunks_before(layout.rows, ~position_t{0});
  BOOST_OUTCOME_TRY(errors_at, file->tensor("relative_error", "F32", {chunks}));
  auto errors = std::make_shared<std::vector<float>>(chunks);
  BOOST_OUTCOME_TRYV(
      file->read(*errors_at, 0, std::as_writable_bytes(std::span(*errors))));
  for (const float e : *errors)
    if (!(e >= 0 && std::isfinite(e)))
      return wrong(*file, "has a relative error that is no number from 0 on");
  into.rows = layout.rows;
  into.relative_error = [errors, spans = layout.rows](position_t p) {
    return (
        *errors)[chunks_before(spans, p / chunk_positions * chunk_positions)];
  };
  into.read_rows =
      [file, tensors, spans = layout.rows, row_bytes = layout.row_bytes()](
          position_span part, std::span<std::byte> out) -> result<void> {
    const auto first = count_before(spans, part.begin);
    const auto slot_bytes = part.size() * row_bytes;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      BOOST_OUTCOME_TRYV(file->read(*tensors[i], first * row_bytes,
                                    out.subspan(i * slot_bytes, slot_bytes)));
    }
    return success();
  };
  return success();
}

/// A new range begins where a position is not rated.
std::vector<brought_conversation::lens_range> lens_ranges(
    const std::vector<position_span>& spans,
    const std::vector<std::uint8_t>& rated) {
  std::vector<brought_conversation::lens_range> ranges;
  std::size_t i = 0;
  for (const auto& span : spans)
    for (auto p = span.begin; p < span.end; ++p, ++i) {
      if (p == span.begin || rated[i] == 0)
        ranges.push_back({{p, p + 1}, rated[i] != 0});
      else
        ranges.back().positions.end = p + 1;
    }
  return ranges;
}

result<void> add_lens(const file_ptr& file, const conversation_layout& layout,
                      brought_conversation& into) {
  const auto positions = count(layout.lens);
  if (positions == 0) return success();
  std::array<const file_tensor*, lens_parts.size()> tensors;
  for (std::size_t i = 0; i < lens_parts.size(); ++i) {
    std::vector<std::uint64_t> shape{positions, layout.lens_rows()};
    if (lens_parts[i].bytes > 4) shape.push_back(lens_parts[i].bytes / 4);
    BOOST_OUTCOME_TRY(
        t, file->tensor(lens_parts[i].tensor, lens_parts[i].dtype, shape));
    tensors[i] = t;
  }
  BOOST_OUTCOME_TRY(rated_at, file->tensor("lens.rated", "U8", {positions}));
  std::vector<std::uint8_t> rated(positions);
  BOOST_OUTCOME_TRYV(
      file->read(*rated_at, 0, std::as_writable_bytes(std::span(rated))));
  into.lens = lens_ranges(layout.lens, rated);
  into.read_lens =
      [file, tensors, spans = layout.lens, per_position = layout.lens_rows()](
          position_span part, std::span<std::byte> out) -> result<void> {
    const std::size_t records = std::size_t{part.size()} * per_position;
    const auto first = count_before(spans, part.begin) * per_position;
    std::vector<std::byte> column;
    for (std::size_t i = 0; i < lens_parts.size(); ++i) {
      const auto& [tensor, type, offset, bytes] = lens_parts[i];
      column.resize(records * bytes);
      BOOST_OUTCOME_TRYV(file->read(*tensors[i], first * bytes, column));
      for (std::size_t r = 0; r < records; ++r)
        std::memcpy(out.data() + r * lens_record_bytes + offset,
                    column.data() + r * bytes, bytes);
    }
    return success();
  };
  return success();
}

}  // namespace

result<brought_conversation> read_conversation_file(file_ptr file) try {
  const auto metadata = file->metadata().find("lamina");
  if (metadata == file->metadata().end())
    return wrong(*file,
                 "is no conversation's file: its metadata lack 'lamina'");
  const auto document = json::parse(metadata->second);
  if (document.at("format") != "lamina conversation")
    return wrong(*file, "is no conversation's file");
  if (document.at("version") != 1)
    return fail(error_code::unsupported_version,
                fmt::format("'{}' has version {} of the format; this build "
                            "reads version 1",
                            file->path(), document.at("version").dump()));
  BOOST_OUTCOME_TRY(layout, layout_in(*file, document));
  BOOST_OUTCOME_TRY(tokens, tokens_of(*file, document.at("tokens")));
  BOOST_OUTCOME_TRY(rows, spans_of(*file, document.at("rows"), tokens.size()));
  BOOST_OUTCOME_TRY(lens, spans_of(*file, document.at("lens"), tokens.size()));
  layout.rows = std::move(rows);
  layout.lens = std::move(lens);
  brought_conversation what;
  what.declared = declaration_of(document, layout);
  what.tokens = std::move(tokens);
  BOOST_OUTCOME_TRYV(add_rows(file, layout, what));
  BOOST_OUTCOME_TRYV(add_lens(file, layout, what));
  return what;
} catch (const json::exception& e) {
  return wrong(*file,
               fmt::format("has a document that cannot be read: {}", e.what()));
}

}  // namespace lamina::cli

#include "actors/codec/codec.hpp"

#include <algorithm>
#include <cassert>
#include <string>

#include "actors/codec/value_format.hpp"
#include "actors/codec/value_slots.hpp"

namespace lamina {
namespace {

// Layers that the value of `key` holds.
std::uint32_t layers_of(const value_key& key, const capture_shape& shape) {
  if (!is_per_layer(key.at)) return 1;
  assert(key.first_layer < shape.layers);
  return std::min(layers_per_value(shape), shape.layers - key.first_layer);
}

// The rows of a key group: its table of streams, then those.
void append_group(std::span<const std::uint32_t> slots, const raw_chunk& chunk,
                  std::uint32_t rows, quality kept, const codebook* book,
                  row_errors& errors, std::vector<std::byte>& out) {
  const std::size_t begin = out.size();
  out.resize(begin + (std::size_t{rows} + 1) * sizeof(std::uint32_t));
  std::vector<const std::byte*> layers(slots.size());
  const auto means = means_of(book, slots);
  for (std::uint32_t row = 0; row < rows; ++row) {
    for (std::size_t i = 0; i < slots.size(); ++i)
      layers[i] = chunk.row(slots[i], row).data();
    set_offset(std::span(out).subspan(begin), row, out.size() - begin);
    append_rows(layers, chunk.shape().width, chunk.shape().element, kept, means,
                errors, out);
  }
  set_offset(std::span(out).subspan(begin), rows, out.size() - begin);
}

// Where a thread puts values together before it knows their size: its pages are
// there already, and in the cache.
std::vector<std::byte>& draft_of_this_thread() {
  thread_local std::vector<std::byte> draft;
  return draft;
}

// Decodes what a part holds of one group; its layers count from the value's
// first.
result<void> decode_group(const stored_header& header,
                          std::span<const std::byte> bytes, std::uint32_t group,
                          const stored_part& part, const codebook* book,
                          std::span<std::byte> out) {
  const std::uint32_t first = group * header.key_interval;
  const std::uint32_t layers =
      std::min(header.key_interval, header.layers - first);
  const std::uint32_t begin = std::max(first, part.layer_begin);
  const std::uint32_t end = std::min(first + layers, part.layer_end);
  const std::size_t row_bytes = header.shape.row_bytes();
  const std::uint32_t rows = part.row_end - part.row_begin;
  BOOST_OUTCOME_TRY(bytes_of_group, group_of(header, bytes, group));
  std::vector<std::byte*> outputs(end - first);
  const auto means = means_of(book, slots_of_group(header, group));
  for (std::uint32_t row = part.row_begin; row < part.row_end; ++row) {
    for (std::uint32_t layer = begin; layer < end; ++layer)
      outputs[layer - first] =
          out.data() + ((layer - part.layer_begin) * std::size_t{rows} +
                        (row - part.row_begin)) *
                           row_bytes;
    BOOST_OUTCOME_TRY(stream, row_of(header, bytes_of_group, row));
    BOOST_OUTCOME_TRYV(decode_rows_of(stream, layers, header.shape.width,
                                      header.shape.element, means, outputs));
  }
  return success();
}

// Decodes one value into the slots it covers, and marks them.
result<void> decode_value_into(raw_chunk& chunk, const stored_value& value,
                               std::vector<bool>& slots,
                               const codebook* given) {
  BOOST_OUTCOME_TRY(header, check(value.key, value.bytes));
  BOOST_OUTCOME_TRY(book, book_for(header, given));
  if (header.shape != chunk.shape())
    return fail(error_code::corrupt,
                name_of(value.key) + " has another model's shape");
  // Nothing vouches for what is known of a value beside its bytes.
  if (header.rows != value.rows)
    return fail(error_code::corrupt,
                name_of(value.key) + " holds " + std::to_string(header.rows) +
                    " rows, not " + std::to_string(value.rows));
  for (std::uint32_t group = 0; group < groups_of(header); ++group) {
    const auto of_group = slots_of_group(header, group);
    const auto means = means_of(book, of_group);
    BOOST_OUTCOME_TRY(bytes, group_of(header, value.bytes, group));
    std::vector<std::byte*> outputs(of_group.size());
    for (std::uint32_t row = 0; row < header.rows; ++row) {
      for (std::size_t i = 0; i < outputs.size(); ++i)
        outputs[i] = chunk.row(of_group[i], row).data();
      BOOST_OUTCOME_TRY(stream, row_of(header, bytes, row));
      BOOST_OUTCOME_TRYV(decode_rows_of(stream, outputs.size(),
                                        header.shape.width,
                                        header.shape.element, means, outputs));
    }
    for (const std::uint32_t slot : of_group)
      slots[slot] = true;
  }
  return success();
}

}  // namespace

stored_value encode(const value_key& key, const raw_chunk& chunk,
                    std::uint32_t rows, quality kept, const codebook* book,
                    float given_error) {
  assert(rows >= 1 && rows <= chunk_positions);
  const capture_shape& shape = chunk.shape();
  if (!is_lossy(kept)) book = nullptr;
  assert(book == nullptr || book->shape() == shape);
  stored_header header{key, kept, shape, rows, layers_of(key, shape)};
  header.errors = {given_error, given_error, given_error};
  header.book = book == nullptr ? 0 : book->id();
  const std::uint32_t groups = groups_of(header);
  std::vector<std::byte>& draft = draft_of_this_thread();
  begin_value(header, draft);
  const auto set_group = [&draft](std::uint32_t group) {
    set_offset(std::span(draft).subspan(value_header_bytes), group,
               draft.size());
  };
  for (std::uint32_t group = 0; group < groups; ++group) {
    set_group(group);
    append_group(slots_of_group(header, group), chunk, rows, kept, book,
                 header.errors, draft);
  }
  set_group(groups);
  set_errors(draft, header.errors);
  stored_value value{key, rows, draft};
  value.relative_error = header.errors.row;
  value.book = header.book;
  seal_value(key, value.bytes);
  value.checked = true;
  return value;
}

std::vector<stored_value_ptr> encode_chunk(const digest& chunk_name,
                                           const raw_chunk& chunk,
                                           std::uint32_t rows, quality kept,
                                           const codebook* book,
                                           float given_error) {
  std::vector<stored_value_ptr> values;
  for (const site s : {site::embed, site::resid_post, site::final_norm}) {
    if (!chunk.holds(s)) continue;
    for (const value_key& key : value_keys(chunk_name, s, chunk.shape()))
      values.push_back(std::make_shared<const stored_value>(
          encode(key, chunk, rows, kept, book, given_error)));
  }
  return values;
}

result<void> decode_part(const stored_header& header,
                         std::span<const std::byte> bytes,
                         const stored_part& part, std::span<std::byte> out,
                         const codebook* given) {
  const std::uint32_t first = header.key.first_layer;
  if (part.layer_begin < first || part.layer_begin > part.layer_end ||
      part.layer_end - first > header.layers)
    return fail(error_code::out_of_range,
                name_of(header.key) + " holds " +
                    std::to_string(header.layers) + " layers, asked for " +
                    std::to_string(part.layer_begin) + " to " +
                    std::to_string(part.layer_end));
  if (part.row_begin > part.row_end || part.row_end > header.rows)
    return fail(error_code::out_of_range,
                name_of(header.key) + " holds " + std::to_string(header.rows) +
                    " rows, asked for " + std::to_string(part.row_begin) +
                    " to " + std::to_string(part.row_end));
  const std::size_t rows = part.row_end - part.row_begin;
  if (out.size() !=
      (part.layer_end - part.layer_begin) * rows * header.shape.row_bytes())
    return fail(error_code::invalid_argument,
                "decode_part: the output has another size than the part");
  BOOST_OUTCOME_TRY(book, book_for(header, given));
  stored_part within = part;
  within.layer_begin -= first;
  within.layer_end -= first;
  for (std::uint32_t group = 0; group < groups_of(header); ++group) {
    const std::uint32_t begin = group * header.key_interval;
    if (begin >= within.layer_end ||
        begin + header.key_interval <= within.layer_begin)
      continue;
    BOOST_OUTCOME_TRYV(decode_group(header, bytes, group, within, book, out));
  }
  return success();
}

result<void> decode_rows(const stored_header& header,
                         std::span<const std::byte> bytes, std::uint32_t layer,
                         std::uint32_t begin, std::uint32_t end,
                         std::span<std::byte> out, const codebook* book) {
  const std::uint32_t at = is_per_layer(header.key.at) ? layer : 0;
  return decode_part(header, bytes, {at, at + 1, begin, end}, out, book);
}

namespace {

/// A raw chunk and which of its slots the values filled.
struct filled_chunk {
  std::shared_ptr<raw_chunk> chunk;
  std::vector<bool> slots;
};

result<filled_chunk> fill(const digest& chunk_name, const capture_shape& shape,
                          position_t first,
                          std::span<const stored_value_ptr> values,
                          const codebook* book) {
  filled_chunk filled{std::make_shared<raw_chunk>(shape, first),
                      std::vector<bool>(shape.slots())};
  for (const stored_value_ptr& value : values) {
    if (value == nullptr) continue;
    if (value->key.chunk != chunk_name)
      return fail(
          error_code::invalid_argument,
          name_of(value->key) + " is not of chunk " + to_string(chunk_name));
    BOOST_OUTCOME_TRYV(
        decode_value_into(*filled.chunk, *value, filled.slots, book));
  }
  return filled;
}

}  // namespace

result<raw_chunk_ptr> decode_slots(const digest& chunk_name,
                                   const capture_shape& shape, position_t first,
                                   std::span<const stored_value_ptr> values,
                                   const codebook* book) {
  BOOST_OUTCOME_TRY(filled, fill(chunk_name, shape, first, values, book));
  return raw_chunk_ptr(std::move(filled.chunk));
}

result<raw_chunk_ptr> decode_chunk(const digest& chunk_name,
                                   const capture_shape& shape, position_t first,
                                   std::span<const stored_value_ptr> values,
                                   const codebook* book) {
  BOOST_OUTCOME_TRY(filled, fill(chunk_name, shape, first, values, book));
  // All but the last slot, final_norm, which the lens computes for itself.
  for (std::uint32_t slot = 0; slot + 1 < shape.slots(); ++slot)
    if (!filled.slots[slot])
      return fail(error_code::not_found,
                  "chunk " + to_string(chunk_name) + " lacks the values of " +
                      (slot == 0 ? std::string("the embedding")
                                 : "layer " + std::to_string(slot - 1)));
  return raw_chunk_ptr(std::move(filled.chunk));
}

}  // namespace lamina

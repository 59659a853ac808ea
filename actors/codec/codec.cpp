#include "actors/codec/codec.hpp"

#include <algorithm>
#include <cassert>
#include <string>

#include "actors/codec/block_codec.hpp"
#include "actors/codec/value_format.hpp"

namespace lamina {
namespace {

std::string name_of(const value_key& key) {
  return std::string(to_string(key.at)) + " of chunk " + to_string(key.chunk) +
         " from layer " + std::to_string(key.first_layer);
}

// Layers that the value of `key` holds.
std::uint32_t layers_of(const value_key& key, const capture_shape& shape) {
  if (!is_per_layer(key.at)) return 1;
  assert(key.first_layer < shape.layers);
  return std::min(layers_per_value(shape), shape.layers - key.first_layer);
}

std::uint32_t slot_of_block(const value_key& key, std::uint32_t index,
                            const capture_shape& shape) {
  return slot_of(key.at, key.first_layer + index, shape.layers);
}

// Decodes one value into the slots it covers, and marks them.
result<void> decode_value_into(raw_chunk& chunk, const stored_value& value,
                               std::vector<bool>& slots) {
  BOOST_OUTCOME_TRY(header, check(value.key, value.bytes));
  if (header.shape != chunk.shape())
    return fail(error_code::corrupt,
                name_of(value.key) + " has another model's shape");
  for (std::uint32_t i = 0; i < header.layers; ++i) {
    const std::uint32_t slot = slot_of_block(header.key, i, header.shape);
    // Rows of a slot are contiguous, so a whole block decodes at once.
    const auto out = std::span(chunk.row(slot, 0).data(),
                               header.rows * header.shape.row_bytes());
    BOOST_OUTCOME_TRYV(decode_rows(
        header, value.bytes, header.key.first_layer + i, 0, header.rows, out));
    slots[slot] = true;
  }
  return success();
}

}  // namespace

stored_value encode(const value_key& key, const raw_chunk& chunk,
                    std::uint32_t rows, codec_id codec) {
  assert(rows >= 1 && rows <= chunk_positions);
  const capture_shape& shape = chunk.shape();
  const stored_header header{key, codec, shape, rows, layers_of(key, shape), 0};
  stored_value value{key, rows, begin_value(header)};
  value.bytes.reserve(value.bytes.size() +
                      header.layers * (1 + rows * shape.row_bytes()));
  for (std::uint32_t i = 0; i < header.layers; ++i) {
    set_offset(value.bytes, i, value.bytes.size());
    append_block(chunk.rows(slot_of_block(key, i, shape))
                     .first(rows * shape.row_bytes()),
                 shape.element, codec == codec_id::lossless, value.bytes);
  }
  set_offset(value.bytes, header.layers, value.bytes.size());
  seal_value(key, value.bytes);
  value.bytes.shrink_to_fit();  // it may stay in memory for an hour
  return value;
}

std::vector<stored_value_ptr> encode_chunk(const digest& chunk_name,
                                           const raw_chunk& chunk,
                                           std::uint32_t rows, codec_id codec) {
  std::vector<stored_value_ptr> values;
  for (const site s : {site::embed, site::resid_post, site::final_norm})
    for (const value_key& key : value_keys(chunk_name, s, chunk.shape()))
      values.push_back(std::make_shared<const stored_value>(
          encode(key, chunk, rows, codec)));
  return values;
}

result<void> decode_rows(const stored_header& header,
                         std::span<const std::byte> bytes, std::uint32_t layer,
                         std::uint32_t begin, std::uint32_t end,
                         std::span<std::byte> out) {
  const std::uint32_t first = header.key.first_layer;
  const std::uint32_t wanted = is_per_layer(header.key.at) ? layer : first;
  if (wanted < first || wanted - first >= header.layers)
    return fail(
        error_code::out_of_range,
        name_of(header.key) + " does not hold layer " + std::to_string(layer));
  if (begin > end || end > header.rows)
    return fail(error_code::out_of_range,
                name_of(header.key) + " holds " + std::to_string(header.rows) +
                    " rows, asked for " + std::to_string(begin) + " to " +
                    std::to_string(end));
  if (out.size() != (end - begin) * header.shape.row_bytes())
    return fail(error_code::invalid_argument,
                "decode_rows: the output has another size than the rows");
  BOOST_OUTCOME_TRY(block, block_of(header, bytes, wanted - first));
  const std::size_t width = header.shape.width;
  return decode_block(block, header.shape.element,
                      {header.rows * width, begin * width, end * width}, out);
}

namespace {

/// A raw chunk and which of its slots the values filled.
struct filled_chunk {
  std::shared_ptr<raw_chunk> chunk;
  std::vector<bool> slots;
};

result<filled_chunk> fill(const digest& chunk_name, const capture_shape& shape,
                          position_t first,
                          std::span<const stored_value_ptr> values) {
  filled_chunk filled{std::make_shared<raw_chunk>(shape, first),
                      std::vector<bool>(shape.slots())};
  for (const stored_value_ptr& value : values) {
    if (value == nullptr) continue;
    if (value->key.chunk != chunk_name)
      return fail(
          error_code::invalid_argument,
          name_of(value->key) + " is not of chunk " + to_string(chunk_name));
    BOOST_OUTCOME_TRYV(decode_value_into(*filled.chunk, *value, filled.slots));
  }
  return filled;
}

}  // namespace

result<raw_chunk_ptr> decode_slots(const digest& chunk_name,
                                   const capture_shape& shape, position_t first,
                                   std::span<const stored_value_ptr> values) {
  BOOST_OUTCOME_TRY(filled, fill(chunk_name, shape, first, values));
  return raw_chunk_ptr(std::move(filled.chunk));
}

result<raw_chunk_ptr> decode_chunk(const digest& chunk_name,
                                   const capture_shape& shape, position_t first,
                                   std::span<const stored_value_ptr> values) {
  BOOST_OUTCOME_TRY(filled, fill(chunk_name, shape, first, values));
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

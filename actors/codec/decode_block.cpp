// Decoding just the rows and layers that somebody asked for, where they are
// wanted.
#include <algorithm>
#include <string>

#include "actors/codec/value_format.hpp"
#include "actors/codec/value_slots.hpp"

namespace lamina {
namespace {

constexpr std::size_t nowhere = SIZE_MAX;

// The place in the block of each slot of a shape.
std::vector<std::size_t> places_of(const row_block& block) {
  std::vector<std::size_t> places(block.shape().slots(), nowhere);
  for (std::size_t i = 0; i < block.slots().size(); ++i)
    places[block.slots()[i]] = i;
  return places;
}

// How many of a group's slots must be decoded: up to the last one wanted.
std::size_t depth_of(std::span<const std::uint32_t> slots,
                     std::span<const std::size_t> places) {
  std::size_t depth = 0;
  for (std::size_t i = 0; i < slots.size(); ++i)
    if (places[slots[i]] != nowhere) depth = i + 1;
  return depth;
}

result<stored_header> header_of(const stored_value& value) {
  return value.checked ? read_header(value.key, value.bytes)
                       : check(value.key, value.bytes);
}

result<std::size_t> decode_value(const stored_value& value,
                                 const book_shelf& books,
                                 std::span<const std::size_t> places,
                                 row_block& out) {
  BOOST_OUTCOME_TRY(header, header_of(value));
  if (value.rows != header.rows)
    return fail(error_code::corrupt,
                name_of(value.key) + " holds " + std::to_string(header.rows) +
                    " rows, " + std::to_string(value.rows) + " are promised");
  BOOST_OUTCOME_TRY(book, book_for(header, books.find(header.book)));
  if (header.shape != out.shape())
    return fail(error_code::corrupt,
                name_of(value.key) + " has another model's shape");
  if (out.row_end() > header.rows)
    return fail(error_code::out_of_range,
                name_of(value.key) + " holds " + std::to_string(header.rows) +
                    " rows, asked for " + std::to_string(out.row_end()));
  std::size_t filled = 0;
  for (std::uint32_t group = 0; group < groups_of(header); ++group) {
    const auto slots = slots_of_group(header, group);
    std::vector<std::byte*> outputs(depth_of(slots, places));
    if (outputs.empty()) continue;
    const auto means = means_of(book, slots);
    BOOST_OUTCOME_TRY(bytes, group_of(header, value.bytes, group));
    for (std::uint32_t row = out.row_begin(); row < out.row_end(); ++row) {
      for (std::size_t i = 0; i < outputs.size(); ++i) {
        const std::size_t place = places[slots[i]];
        outputs[i] = place == nowhere ? nullptr : out.row_at(place, row);
      }
      BOOST_OUTCOME_TRY(stream, row_of(header, bytes, row));
      BOOST_OUTCOME_TRYV(decode_rows_of(stream, slots.size(),
                                        header.shape.width,
                                        header.shape.element, means, outputs));
    }
    filled += static_cast<std::size_t>(std::count_if(
        slots.begin(), slots.end(),
        [&](std::uint32_t slot) { return places[slot] != nowhere; }));
  }
  return filled;
}

}  // namespace

result<std::size_t> decode_into(std::span<const stored_value_ptr> values,
                                const book_shelf& books, row_block& out) {
  const auto places = places_of(out);
  std::size_t filled = 0;
  for (const stored_value_ptr& value : values) {
    BOOST_OUTCOME_TRY(more, decode_value(*value, books, places, out));
    filled += more;
  }
  return filled;
}

}  // namespace lamina

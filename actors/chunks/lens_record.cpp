#include "actors/chunks/lens_record.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <type_traits>

#include "actors/chunks/little_endian.hpp"

namespace lamina {
namespace {

constexpr std::uint32_t magic = 0x4e454c4c;  // "LLEN"
constexpr std::uint16_t format_version = 1;
constexpr std::size_t header_bytes = 24;

// Far beyond any model; bounds what a few lying bytes can make us allocate.
constexpr std::uint32_t layers_max = 4'096;

// Records are written as they lie in memory; see the assertion on their size.
static_assert(std::is_trivially_copyable_v<lens_record>);

lens_record empty_record() {
  lens_record record{};
  std::fill(std::begin(record.top_ids), std::end(record.top_ids), no_token);
  return record;
}

// Copies what `from` says about a position into the block's row: its
// predictions, its rating, or both, where the block has none yet.
// from: [layers + 1]
void take_row(lens_block& into, std::uint32_t row, const lens_record* from,
              bool complete, bool rated) {
  const std::uint32_t bit = 1u << row;
  const bool take_predictions = complete && (into.complete & bit) == 0;
  const bool take_rating = rated && (into.rated & bit) == 0;
  lens_record* to = &into.records[std::size_t{row} * (into.layers + 1)];
  for (std::uint32_t i = 0; i <= into.layers; ++i) {
    const token_rating kept = to[i].of_this;
    if (take_predictions) {
      to[i] = from[i];
      to[i].of_this = kept;
    }
    if (take_rating) to[i].of_this = from[i].of_this;
  }
  if (take_predictions) into.complete |= bit;
  if (take_rating) into.rated |= bit;
  if (complete || rated) into.rows = std::max(into.rows, row + 1);
}

}  // namespace

lens_block make_lens_block(std::uint32_t layers) {
  lens_block block;
  block.layers = layers;
  block.records.assign(std::size_t{chunk_positions} * (layers + 1),
                       empty_record());
  return block;
}

void merge(lens_block& into, const lens_block& other) {
  assert(into.layers == other.layers);
  for (std::uint32_t row = 0; row < other.rows; ++row)
    take_row(into, row, &other.at(row, embed_layer),
             (other.complete >> row & 1u) != 0, (other.rated >> row & 1u) != 0);
}

void merge(lens_block& into, position_t chunk_first, const lens_rows& rows) {
  assert(into.layers == rows.layers);
  const std::uint64_t chunk_end = std::uint64_t{chunk_first} + chunk_positions;
  for (std::uint32_t i = 0; i < rows.count(); ++i) {
    const std::uint64_t position = std::uint64_t{rows.first} + i;
    if (position < chunk_first || position >= chunk_end) continue;
    take_row(into, static_cast<std::uint32_t>(position - chunk_first),
             &rows.records[std::size_t{i} * (rows.layers + 1)], true,
             i > 0 || rows.first_rated);
  }
}

std::vector<std::byte> encode(const lens_block& block) {
  const auto records = std::span(block.records)
                           .first(std::size_t{block.rows} * (block.layers + 1));
  byte_writer out(header_bytes + records.size_bytes());
  out.put(magic)
      .put(format_version)
      .put(static_cast<std::uint16_t>(lens_top_k))
      .put(block.layers)
      .put(block.rows)
      .put(block.complete)
      .put(block.rated)
      .put_bytes(std::as_bytes(records));
  return out.finish();
}

result<lens_block> decode_lens_block(std::span<const std::byte> bytes) {
  const auto corrupt = [](const char* what) {
    return fail(error_code::corrupt, std::string("lens block: ") + what);
  };
  byte_reader in(bytes);
  if (in.get<std::uint32_t>() != magic) return corrupt("wrong magic number");
  const auto version = in.get<std::uint16_t>();
  if (in.ok() && version > format_version)
    return fail(error_code::unsupported_version,
                "lens block: format version " + std::to_string(version) +
                    " is newer than this build's 1");
  const auto top_k = in.get<std::uint16_t>();
  const auto layers = in.get<std::uint32_t>();
  const auto rows = in.get<std::uint32_t>();
  const auto complete = in.get<std::uint32_t>();
  const auto rated = in.get<std::uint32_t>();
  if (!in.ok()) return corrupt("shorter than its header");
  if (version == 0) return corrupt("format version 0");
  if (top_k != lens_top_k) return corrupt("another number of predictions");
  if (layers > layers_max) return corrupt("an impossible number of layers");
  if (rows > chunk_positions) return corrupt("more rows than a chunk has");
  if (((complete | rated) >> rows) != 0)
    return corrupt("marks rows that it does not hold");
  const std::size_t expected =
      std::size_t{rows} * (layers + 1) * sizeof(lens_record);
  if (in.left() != expected) return corrupt("length and row count disagree");

  lens_block block = make_lens_block(layers);
  block.rows = rows;
  block.complete = complete;
  block.rated = rated;
  if (expected != 0)
    std::memcpy(block.records.data(), in.get_bytes(expected).data(), expected);
  return block;
}

}  // namespace lamina

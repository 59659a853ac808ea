// Records as they lie in the databases. The first byte of the input chooses
// which, and whether its seal is put right; the key comes next, then the
// record.
#include <algorithm>
#include <vector>

#include "actors/chunks/lens_record.hpp"
#include "actors/store/names.hpp"
#include "actors/store/records.hpp"
#include "actors/store/sealed.hpp"
#include "actors/store/stored_records.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace lamina {
namespace {

using bytes = std::span<const std::byte>;

/// What was accepted survives being written and read again. Bytes are
/// compared, for records may hold NaN.
template <class Record, class Decode>
void expect_stable(const Record& record, Decode decode) {
  const auto once = encode(record);
  const auto again = decode(bytes(once));
  fuzz::expect(again.has_value(), "an accepted record reads back");
  fuzz::expect(encode(again.value()) == once, "it reads back the same");
}

template <class Record, class Decode>
void expect_clear_or_stable(const result<Record>& read, Decode decode) {
  if (read.has_error()) return fuzz::expect_clear(read.error());
  expect_stable(read.value(), decode);
}

void read_conversation(bytes key, bytes record) {
  expect_clear_or_stable(open_conversation(key, record), decode_conversation);
}

void read_chunk(bytes key, bytes record) {
  expect_clear_or_stable(open_chunk(key, record), decode_chunk_record);
}

void read_lens(bytes key, bytes record) {
  const auto block = open_lens(name_at(key), record);
  expect_clear_or_stable(block, decode_lens_block);
  if (block.has_error()) return;
  lens_block merged = make_lens_block(block.value().layers);
  merge(merged, block.value());
}

void read_name_record(bytes record) {
  const name_record read = decode_name(record);
  fuzz::expect(decode_name(encode(read)) == read, "a name reads back the same");
  chunk_record seen;
  overlay(read, seen);
}

void read_value_record(bytes record) {
  const value_summary summary = summary_of(record);
  const auto stored = stored_bytes_of(record);
  fuzz::expect(stored.size() <= record.size(), "a value is part of its record");
  fuzz::expect(summary.rows < 256, "rows fit their byte");
}

// The seal's key is the database's. Each record kind has keys of one length.
constexpr std::size_t key_bytes[] = {8, 12, 16};

void read_sealed(std::size_t kind, bool put_right, bytes rest) {
  const bytes key = rest.first(std::min(key_bytes[kind], rest.size()));
  const bytes record = rest.subspan(key.size());
  const auto sealed =
      put_right ? seal(key, record)
                : std::vector<std::byte>(record.begin(), record.end());
  if (kind == 0) read_conversation(key, sealed);
  if (kind == 1) read_chunk(key, sealed);
  if (kind == 2) read_lens(key, sealed);
}

}  // namespace
}  // namespace lamina

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* first,
                                      std::size_t size) {
  if (size == 0) return 0;
  const auto rest = lamina::fuzz::bytes_of(first + 1, size - 1);
  const std::size_t kind = *first % 5;
  if (kind < 3) lamina::read_sealed(kind, *first < 128, rest);
  if (kind == 3) lamina::read_name_record(rest);
  if (kind == 4) lamina::read_value_record(rest);
  return 0;
}

#include "actors/store/holdings.hpp"

#include <algorithm>

#include "actors/store/books.hpp"
#include "actors/store/conversations.hpp"
#include "actors/store/sealed.hpp"
#include "actors/store/stored_records.hpp"

namespace lamina {
namespace {

value_summary value_of(const stored_value& value) {
  // As it reads once it is written.
  const auto packed = pack({value.rows, value.relative_error});
  return summary_of(std::as_bytes(std::span(&packed, 1)));
}

bool is_as_faithful(const value_summary& a, const value_summary& b) {
  return a.relative_error <= b.relative_error;
}

// The most tokens that any chunk of this name has.
result<std::uint32_t> longest_of(write_transaction& txn, const digest& name) {
  std::uint32_t longest = 0;
  BOOST_OUTCOME_TRY(referrers, referrers_of(txn, name));
  for (const referrer& r : referrers) {
    const auto chunk = read_chunk(txn, r.conversation, r.index);
    if (txn.failure()) return *txn.failure();
    // A damaged one may have been full.
    if (chunk.has_error() || !chunk.value()) return chunk_positions;
    longest = std::max(
        longest, static_cast<std::uint32_t>(chunk.value()->tokens.size()));
  }
  return longest;
}

// The code book that a record in `values` names.
result<std::uint64_t> book_of(const mapped_bytes& value_record) {
  BOOST_OUTCOME_TRY(
      bytes, value_record.copy(value_prefix_bytes,
                               value_book_offset + sizeof(std::uint64_t)));
  return book_named_by(bytes);
}

// True when the value was written; `record` follows.
result<bool> write_value(write_transaction& txn, const stored_value& value,
                         equal_rows policy, name_record& record) {
  const auto key = key_of(value.key);
  BOOST_OUTCOME_TRY(there, txn.find(txn.in().values, key));
  if (there) {
    BOOST_OUTCOME_TRY(prefix, there->copy(0, value_prefix_bytes));
    const auto has = summary_of(prefix);
    if (has.rows > value.rows) return false;
    if (has.rows == value.rows && is_as_faithful(has, value_of(value))) {
      if (policy == equal_rows::keep || !is_as_faithful(value_of(value), has))
        return false;
      BOOST_OUTCOME_TRY(bytes, there->copy());
      if (std::ranges::equal(stored_bytes_of(bytes), value.bytes)) return false;
    }
    // A damaged name record may say less; repair counts it again.
    record.held.value_bytes -= std::min<std::uint64_t>(
        record.held.value_bytes, key.size() + there->size());
    BOOST_OUTCOME_TRY(book, book_of(*there));
    BOOST_OUTCOME_TRYV(count_book_use_less(txn, book));
  }
  BOOST_OUTCOME_TRYV(count_book_use(txn, book_named_by(value.bytes)));
  const auto prefix = pack(value_of(value));
  BOOST_OUTCOME_TRYV(txn.put(
      txn.in().values, key, std::as_bytes(std::span(&prefix, 1)), value.bytes));
  record.held.value_bytes +=
      key.size() + value_prefix_bytes + value.bytes.size();
  const auto bit = evicted_bit(value.key.at);
  if ((record.evicted & bit) == 0) return true;
  BOOST_OUTCOME_TRY(longest, longest_of(txn, value.key.chunk));
  if (value.rows >= longest) record.evicted &= ~bit;
  return true;
}

// Whoever refers to the name has something that eviction could free again.
result<void> stir(write_transaction& txn, const digest& name) {
  BOOST_OUTCOME_TRY(referrers, referrers_of(txn, name));
  for (const referrer& r : referrers)
    txn.stirred().insert(r.conversation);
  return success();
}

}  // namespace

result<void> check_values(const digest& name,
                          std::span<const stored_value_ptr> values) {
  for (const auto& value : values) {
    if (value == nullptr)
      return fail(error_code::invalid_argument,
                  "chunk " + to_string(name) + ": a value is null");
    if (value->key.chunk != name)
      return fail(error_code::invalid_argument,
                  "chunk " + to_string(name) + ": a value is of chunk " +
                      to_string(value->key.chunk));
    if (value->rows < 1 || value->rows > chunk_positions)
      return fail(error_code::invalid_argument,
                  "chunk " + to_string(name) + ": a value of " +
                      std::to_string(value->rows) + " rows");
  }
  return success();
}

result<void> write_values(write_transaction& txn, const digest& name,
                          std::span<const stored_value_ptr> values,
                          equal_rows policy, commit_report& report) {
  if (values.empty()) return success();
  BOOST_OUTCOME_TRY(record, read_name(txn, name));
  const name_record before = record;
  for (const auto& value : values) {
    BOOST_OUTCOME_TRY(written, write_value(txn, *value, policy, record));
    report.values_written += written ? 1 : 0;
    report.values_shared += written ? 0 : 1;
    report.bytes_written += written ? value->bytes.size() : 0;
  }
  if (record == before) return success();
  BOOST_OUTCOME_TRYV(stir(txn, name));
  return write_name(txn, name, record);
}

result<void> merge_lens(write_transaction& txn, const digest& name,
                        const lens_block_ptr& lens, commit_report& report) {
  if (lens == nullptr) return success();
  const auto key = key_of(name);
  BOOST_OUTCOME_TRY(there, txn.get(txn.in().lens, key));
  lens_block merged = make_lens_block(lens->layers);
  if (there) {
    auto block = open_lens(name, *there);
    // A damaged one, or one of other layers, gives way to the new.
    if (block.has_value() && block.value().layers == lens->layers)
      merged = std::move(block).value();
  }
  const auto before = std::pair(merged.complete, merged.rated);
  merge(merged, *lens);
  if (before == std::pair(merged.complete, merged.rated)) return success();
  const auto sealed = seal(key, encode(merged));
  report.bytes_written += sealed.size();
  BOOST_OUTCOME_TRYV(txn.put(txn.in().lens, key, sealed));
  BOOST_OUTCOME_TRY(record, read_name(txn, name));
  record.held.lens_bytes = key.size() + sealed.size();
  return write_name(txn, name, record);
}

bool allowance::take(std::uint64_t bytes) {
  if (taken_ != 0 && bytes > left_) return false;
  left_ -= std::min(left_, bytes);
  taken_ += bytes;
  return true;
}

result<freed_values> free_values(write_transaction& txn, const digest& name,
                                 allowance& left) {
  freed_values freed;
  BOOST_OUTCOME_TRY(record, read_name(txn, name));
  BOOST_OUTCOME_TRY(keys, txn.keys(txn.in().values, key_of(name)));
  for (const auto& key : keys) {
    BOOST_OUTCOME_TRY(value, txn.find(txn.in().values, key));
    const std::uint64_t bytes = key.size() + (value ? value->size() : 0);
    if (!left.take(bytes)) {
      freed.all = false;
      break;
    }
    if (value) {
      BOOST_OUTCOME_TRY(book, book_of(*value));
      BOOST_OUTCOME_TRYV(count_book_use_less(txn, book));
      BOOST_OUTCOME_TRYV(txn.remove(txn.in().values, key));
    }
    record.held.value_bytes -= std::min(record.held.value_bytes, bytes);
    freed.values += 1;
    freed.sites |= evicted_bit(static_cast<site>(key[16]));
  }
  if (freed.values != 0) {
    BOOST_OUTCOME_TRYV(write_name(txn, name, record));
  }
  return freed;
}

result<bool> free_lens(write_transaction& txn, const digest& name,
                       allowance& left) {
  const auto key = key_of(name);
  BOOST_OUTCOME_TRY(there, txn.find(txn.in().lens, key));
  if (!there) return true;
  if (!left.take(key.size() + there->size())) return false;
  BOOST_OUTCOME_TRYV(txn.remove(txn.in().lens, key));
  BOOST_OUTCOME_TRY(record, read_name(txn, name));
  record.held.lens_bytes = 0;
  BOOST_OUTCOME_TRYV(write_name(txn, name, record));
  return true;
}

}  // namespace lamina

#include "actors/store/write_backlog.hpp"

#include <utility>

namespace lamina {
namespace {

/// Records, keys and what LMDB adds.
constexpr std::uint64_t record_bytes = 1024;

std::uint64_t bytes_of(const std::vector<stored_value_ptr>& values) {
  std::uint64_t bytes = 0;
  for (const auto& v : values)
    bytes += v->bytes.size();
  return bytes;
}

}  // namespace

std::uint64_t payload_bytes(const write_op& op) {
  if (const auto* chunk = std::get_if<put_chunk>(&op))
    return bytes_of(chunk->values) + record_bytes;
  if (const auto* values = std::get_if<put_values>(&op))
    return bytes_of(values->values) + record_bytes;
  if (const auto* book = std::get_if<put_book>(&op))
    return book->book.bytes.size() + record_bytes;
  return record_bytes;
}

bool drop_values(write_op& op) {
  if (auto* values = std::get_if<put_values>(&op))
    return !std::exchange(values->values, {}).empty();
  auto* chunk = std::get_if<put_chunk>(&op);
  if (chunk == nullptr || chunk->values.empty()) return false;
  chunk->values.clear();
  for (presence* p : {&chunk->record.embed, &chunk->record.resid_post,
                      &chunk->record.final_norm})
    if (*p == presence::present) *p = presence::dropped;
  return true;
}

void write_backlog::add(std::span<const write_op> ops) {
  for (const auto& op : ops) {
    bytes_ += payload_bytes(op);
    ops_.push_back(op);
  }
  shrink();
}

void write_backlog::clear() {
  ops_.clear();
  bytes_ = 0;
  whole_ = 0;
}

void write_backlog::shrink() {
  for (; bytes_ > bytes_max_ && whole_ < ops_.size(); ++whole_) {
    auto& op = ops_[whole_];
    const auto before = payload_bytes(op);
    if (!drop_values(op)) continue;
    bytes_ -= before - payload_bytes(op);
    ++dropped_;
  }
}

}  // namespace lamina

#include "actors/store/write_backlog.hpp"

#include <algorithm>
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

std::uint64_t bytes_of(const lens_block_ptr& lens) {
  return lens ? lens->records.size() * sizeof(lens_record) : 0;
}

/// As `drop_values`, for lens records.
bool drop_lens(write_op& op) {
  if (auto* records = std::get_if<put_lens>(&op))
    return std::exchange(records->lens, nullptr) != nullptr;
  auto* chunk = std::get_if<put_chunk>(&op);
  if (chunk == nullptr || !chunk->lens) return false;
  chunk->lens = nullptr;
  if (chunk->record.lens == presence::present)
    chunk->record.lens = presence::on_demand;
  return true;
}

/// As the store does: fewer rows never take the place of more.
void add_values(std::vector<stored_value_ptr>& kept,
                const std::vector<stored_value_ptr>& fresh) {
  for (const auto& value : fresh) {
    const auto same = std::ranges::find_if(
        kept, [&](const auto& k) { return k->key == value->key; });
    if (same == kept.end())
      kept.push_back(value);
    else if (value->rows >= (*same)->rows)
      *same = value;
  }
}

void add_lens(lens_block_ptr& kept, const lens_block_ptr& fresh) {
  if (!fresh) return;
  if (!kept || kept->layers != fresh->layers) {
    kept = fresh;
    return;
  }
  auto both = std::make_shared<lens_block>(*kept);
  merge(*both, *fresh);
  kept = std::move(both);
}

/// Its turn was told that the write failed, and wrote so into later records.
void restate(const put_chunk& kept, chunk_record& later) {
  if (kept.record.tokens.size() != later.tokens.size()) return;
  const chunk_record& r = kept.record;
  const std::pair<presence, presence*> sites[] = {
      {r.embed, &later.embed},
      {r.resid_post, &later.resid_post},
      {r.final_norm, &later.final_norm}};
  for (const auto& [was, is] : sites)
    if (!kept.values.empty() && was == presence::present &&
        *is == presence::dropped)
      *is = presence::present;
  if (kept.lens && r.lens == presence::present &&
      later.lens == presence::on_demand)
    later.lens = presence::present;
}

void supersede(put_chunk& kept, const put_chunk& op) {
  const bool late =
      !op.record.full && op.record.tokens.size() < kept.record.tokens.size();
  if (kept.record.name != op.record.name) {
    if (!late) kept = op;
    return;
  }
  if (!late) {
    auto record = op.record;
    restate(kept, record);
    kept.record = std::move(record);
  }
  add_values(kept.values, op.values);
  add_lens(kept.lens, op.lens);
}

void supersede(put_conversation& kept, const put_conversation& op) {
  if (kept.record.turns > op.record.turns) return;  // late news
  const auto accessed =
      std::max(kept.record.accessed_unix_ms, op.record.accessed_unix_ms);
  kept = op;
  kept.record.accessed_unix_ms = accessed;
}

void supersede(touch_conversations& kept, const touch_conversations& op) {
  std::map<conversation_id, std::int64_t> latest;
  for (const auto& one : {kept, op})
    for (const auto& use : one.uses)
      latest[use.id] = std::max(latest[use.id], use.at_unix_ms);
  kept.uses.clear();
  for (const auto& [id, at] : latest)
    kept.uses.push_back({id, at});
}

}  // namespace

std::uint64_t payload_bytes(const write_op& op) {
  if (const auto* chunk = std::get_if<put_chunk>(&op))
    return bytes_of(chunk->values) + bytes_of(chunk->lens) + record_bytes;
  if (const auto* values = std::get_if<put_values>(&op))
    return bytes_of(values->values) + record_bytes;
  if (const auto* records = std::get_if<put_lens>(&op))
    return bytes_of(records->lens) + record_bytes;
  if (const auto* touch = std::get_if<touch_conversations>(&op))
    return touch->uses.size() * sizeof(touch->uses[0]) + record_bytes;
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
  for (const auto& op : ops)
    std::visit([this](const auto& one) { this->keep(one); }, op);
  shrink();
}

void write_backlog::forget(conversation_id id) {
  remove_if([id](const write_op& op) {
    const auto* record = std::get_if<put_conversation>(&op);
    const auto* chunk = std::get_if<put_chunk>(&op);
    return (record && record->record.id == id) ||
           (chunk && chunk->conversation == id);
  });
}

void write_backlog::clear() {
  const auto dropped = dropped_;
  *this = write_backlog(bytes_max_);
  dropped_ = dropped;
}

// ---- one operation ---------------------------------------------------------

template <class Op, class Key, class Merge>
void write_backlog::put(std::map<Key, std::size_t>& places, const Key& key,
                        const Op& op, Merge merge) {
  const auto [place, added] = places.try_emplace(key, ops_.size());
  const auto at = place->second;
  if (added) {
    ops_.push_back(op);
  } else {
    bytes_ -= payload_bytes(ops_[at]);
    merge(std::get<Op>(ops_[at]), op);
    whole_ = std::min(whole_, at);
    lensless_ = std::min(lensless_, at);
  }
  bytes_ += payload_bytes(ops_[at]);
}

void write_backlog::keep(const put_conversation& op) {
  put(conversations_, op.record.id, op,
      [](auto& kept, const auto& later) { supersede(kept, later); });
}

void write_backlog::keep(const put_chunk& op) {
  put(chunks_, std::pair(op.conversation, op.index), op,
      [](auto& kept, const auto& later) { supersede(kept, later); });
}

void write_backlog::keep(const put_lens& op) {
  put(lens_, op.name, op,
      [](auto& kept, const auto& later) { add_lens(kept.lens, later.lens); });
}

void write_backlog::keep(const put_values& op) {
  put(values_, op.name, op, [](auto& kept, const auto& later) {
    add_values(kept.values, later.values);
  });
}

void write_backlog::keep(const cut_chunks& op) {
  const auto first = chunks_.lower_bound({op.conversation, op.from});
  if (first != chunks_.end() && first->first.first == op.conversation)
    remove_if([&](const write_op& kept) {
      const auto* chunk = std::get_if<put_chunk>(&kept);
      return chunk && chunk->conversation == op.conversation &&
             chunk->index >= op.from;
    });
  put(cuts_, op.conversation, op, [](auto& kept, const auto& later) {
    kept.from = std::min(kept.from, later.from);
  });
}

void write_backlog::keep(const touch_conversations& op) {
  put(touches_, 0, op,
      [](auto& kept, const auto& later) { supersede(kept, later); });
}

void write_backlog::keep(const put_book& op) {
  put(books_, op.book.id, op, [](auto&, const auto&) {});
}

// ---- all of them -----------------------------------------------------------

template <class Goes>
void write_backlog::remove_if(Goes goes) {
  const auto all = std::exchange(ops_, {});
  clear();
  for (const auto& op : all)
    if (!goes(op)) std::visit([this](const auto& one) { this->keep(one); }, op);
}

void write_backlog::shrink() {
  for (; bytes_ > bytes_max_ && whole_ < ops_.size(); ++whole_) {
    auto& op = ops_[whole_];
    const auto before = payload_bytes(op);
    if (!drop_values(op)) continue;
    bytes_ -= before - payload_bytes(op);
    ++dropped_;
  }
  for (; bytes_ > bytes_max_ && lensless_ < ops_.size(); ++lensless_) {
    auto& op = ops_[lensless_];
    const auto before = payload_bytes(op);
    if (drop_lens(op)) bytes_ -= before - payload_bytes(op);
  }
}

}  // namespace lamina

#include "actors/cache/memory_tier.hpp"

#include <algorithm>
#include <utility>

namespace lamina {
namespace {

std::uint64_t bytes_of(const memory_tier::entry& e) {
  std::uint64_t bytes = 0;
  for (const auto& [key, value] : e.values)
    bytes += value->bytes.size();
  if (e.lens) bytes += e.lens->records.size() * sizeof(lens_record);
  return bytes;
}

/// As on disk, so that both give the same answer.
bool replaces(const stored_value& fresh, const stored_value& kept) {
  if (fresh.rows != kept.rows) return fresh.rows > kept.rows;
  return fresh.relative_error <= kept.relative_error;
}

}  // namespace

memory_tier::entry& memory_tier::touch(const digest& name) {
  auto [it, added] = entries_.try_emplace(name);
  if (added) {
    order_.push_front(name);
    it->second.used = order_.begin();
  } else {
    order_.splice(order_.begin(), order_, it->second.used);
  }
  it->second.used_at_ms = now_ms_;
  return it->second;
}

void memory_tier::resize(entry& e, std::uint64_t bytes) {
  bytes_ = bytes_ - e.bytes + bytes;
  e.bytes = bytes;
}

void memory_tier::put_raw(const digest& name, const ready_rows& rows) {
  auto& e = touch(name);
  if (e.raw.chunk && e.raw.chunk == rows.chunk && e.raw.end >= rows.end) return;
  if (e.raw.chunk) raw_bytes_ -= e.raw.chunk->bytes();
  raw_bytes_ += rows.chunk->bytes();
  e.raw = rows;
  evict(name);
}

void memory_tier::put_values(const digest& name,
                             const std::vector<stored_value_ptr>& values) {
  auto& e = touch(name);
  for (const auto& value : values) {
    auto& slot = e.values[value->key];
    if (!slot || replaces(*value, *slot)) slot = value;
  }
  resize(e, bytes_of(e));
  evict(name);
}

void memory_tier::put_sealed(const digest& name,
                             const std::vector<stored_value_ptr>& values) {
  auto& e = touch(name);
  const bool covered = std::ranges::all_of(
      values, [&e](const auto& value) { return value->rows >= e.raw.end; });
  if (e.raw.chunk && !values.empty() && covered) {
    raw_bytes_ -= e.raw.chunk->bytes();
    e.raw = {};
  }
  put_values(name, values);
}

void memory_tier::put_lens(const digest& name, lens_block_ptr block) {
  auto& e = touch(name);
  e.lens = std::move(block);
  resize(e, bytes_of(e));
  evict(name);
}

void memory_tier::discard(const digest& name) {
  auto it = entries_.find(name);
  if (it == entries_.end()) return;
  resize(it->second, 0);
  if (it->second.raw.chunk) raw_bytes_ -= it->second.raw.chunk->bytes();
  order_.erase(it->second.used);
  entries_.erase(it);
}

void memory_tier::discard_raw(const digest& name) {
  auto it = entries_.find(name);
  if (it == entries_.end() || !it->second.raw.chunk) return;
  if (it->second.values.empty() && !it->second.lens) return discard(name);
  raw_bytes_ -= it->second.raw.chunk->bytes();
  it->second.raw = {};
}

const memory_tier::entry* memory_tier::find(const digest& name) {
  return entries_.count(name) != 0 ? &touch(name) : nullptr;
}

// What is in flight loses its evictable part only. The place of what was
// dropped, or of the next one when nothing is left of it.
std::list<digest>::iterator memory_tier::drop(std::list<digest>::iterator it) {
  auto found = entries_.find(*it);
  resize(found->second, 0);
  ++evictions_;
  if (!found->second.raw.chunk) {
    entries_.erase(found);
    return order_.erase(it);
  }
  found->second.values.clear();
  found->second.lens.reset();
  return it;
}

// Oldest first. `keep` is what was just put: evicting it would make the tier
// useless when one entry exceeds the budget.
void memory_tier::evict(const digest& keep) {
  evict_beyond(&keep);
}

void memory_tier::limit(std::uint64_t bytes_max, std::int64_t ttl_ms) {
  bytes_max_ = bytes_max;
  ttl_ms_ = ttl_ms;
  evict_beyond(nullptr);
  advance(now_ms_);
}

void memory_tier::evict_beyond(const digest* keep) {
  auto it = order_.end();
  while (bytes_ + raw_bytes_ > bytes_max_ && it != order_.begin()) {
    --it;
    if ((keep && *it == *keep) || entries_.find(*it)->second.bytes == 0)
      continue;
    it = drop(it);
  }
}

void memory_tier::advance(std::int64_t now_ms) {
  now_ms_ = std::max(now_ms_, now_ms);
  if (ttl_ms_ == 0) return;
  for (auto it = order_.end(); it != order_.begin();) {
    --it;
    const entry& e = entries_.find(*it)->second;
    if (now_ms_ - e.used_at_ms < ttl_ms_) return;
    if (e.bytes != 0) it = drop(it);
  }
}

}  // namespace lamina

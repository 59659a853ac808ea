#include "actors/model/kv_store.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace lamina {

kv_store::entries::const_iterator kv_store::find(
    std::uint64_t conversation) const {
  return std::find_if(idle_.begin(), idle_.end(), [&](const entry& e) {
    return e.conversation == conversation;
  });
}

std::uint32_t kv_store::common_prefix(std::uint64_t conversation,
                                      std::span<const token_id> tokens) const {
  const auto found = find(conversation);
  if (found == idle_.end()) return 0;
  const auto differ = std::mismatch(tokens.begin(), tokens.end(),
                                    found->tokens.begin(), found->tokens.end());
  return static_cast<std::uint32_t>(differ.first - tokens.begin());
}

kv_cache kv_store::take(std::uint64_t conversation, std::uint32_t length,
                        bool keep) {
  const auto found = find(conversation);
  assert(found != idle_.end());
  kv_cache part = found->cache.prefix(length);
  if (keep)
    idle_.splice(idle_.begin(), idle_, found);
  else
    forget(conversation);
  return part;
}

void kv_store::put(std::uint64_t conversation, std::vector<token_id> tokens,
                   kv_cache cache) {
  assert(tokens.size() == cache.length());
  if (common_prefix(conversation, tokens) == tokens.size() && !tokens.empty())
    return idle_.splice(idle_.begin(), idle_, find(conversation));
  forget(conversation);
  bytes_ += cache.bytes();
  idle_.push_front({conversation, std::move(tokens), std::move(cache)});
  while (bytes_ > budget_bytes_ && !idle_.empty()) {
    bytes_ -= idle_.back().cache.bytes();
    idle_.pop_back();
  }
}

void kv_store::clear() {
  idle_.clear();
  bytes_ = 0;
}

void kv_store::forget(std::uint64_t conversation) {
  const auto found = find(conversation);
  if (found == idle_.end()) return;
  bytes_ -= found->cache.bytes();
  idle_.erase(found);
}

}  // namespace lamina

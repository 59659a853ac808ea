#include "actors/model/kv_store.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace lamina {

std::uint32_t common_length(std::span<const token_id> a,
                            std::span<const token_id> b) {
  const auto differ = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  return static_cast<std::uint32_t>(differ.first - a.begin());
}

kv_store::entries::const_iterator kv_store::find(
    std::uint64_t conversation) const {
  return std::find_if(idle_.begin(), idle_.end(), [&](const entry& e) {
    return e.conversation == conversation;
  });
}

std::uint32_t kv_store::common_prefix(std::uint64_t conversation,
                                      std::span<const token_id> tokens) const {
  const auto found = find(conversation);
  return found == idle_.end() ? 0 : common_length(tokens, found->tokens);
}

kv_store::match kv_store::longest_prefix(
    const std::string& owner, std::span<const token_id> tokens) const {
  match best;
  for (const entry& e : idle_) {
    if (e.owner != owner) continue;
    const std::uint32_t length = common_length(tokens, e.tokens);
    if (length > best.length) best = {e.conversation, length};
  }
  return best;
}

kv_cache kv_store::take(std::uint64_t conversation, std::uint32_t length,
                        bool keep) {
  const auto found = find(conversation);
  assert(found != idle_.end());
  kv_cache part = found->cache.prefix(length);
  if (keep)
    idle_.splice(idle_.begin(), idle_, found);
  else
    erase(found);
  return part;
}

void kv_store::put(std::uint64_t conversation, std::string owner,
                   std::vector<token_id> tokens, kv_cache cache) {
  assert(tokens.size() == cache.length());
  if (common_prefix(conversation, tokens) == tokens.size() && !tokens.empty())
    return idle_.splice(idle_.begin(), idle_, find(conversation));
  forget(conversation);
  page_bytes_ = cache.page_bytes();
  for (const auto& page : cache.pages())
    ++uses_[page.get()];
  idle_.push_front(
      {conversation, std::move(owner), std::move(tokens), std::move(cache)});
  while (bytes() > budget_bytes_ && !idle_.empty())
    erase(std::prev(idle_.end()));
}

void kv_store::clear() {
  idle_.clear();
  uses_.clear();
}

void kv_store::forget(std::uint64_t conversation) {
  if (const auto found = find(conversation); found != idle_.end()) erase(found);
}

void kv_store::erase(entries::const_iterator at) {
  for (const auto& page : at->cache.pages())
    if (const auto use = uses_.find(page.get()); --use->second == 0)
      uses_.erase(use);
  idle_.erase(at);
}

}  // namespace lamina

#include "actors/model/kv_reuse.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace lamina {
namespace {

// Positions that computing costs more than the copy of a page that is shared.
constexpr std::uint32_t shared_min = 8;

std::uint32_t reusable_length(const sequence_request& r) {
  const auto last = static_cast<std::uint32_t>(r.tokens.size()) - 1;
  const position_t required = r.capture_required_from.value_or(r.capture_from);
  return r.capture ? std::min(last, std::max(required, 1u) - 1) : last;
}

// What another conversation of the owner, idle or running, has beyond `own`,
// if it is worth a page's copy.
std::optional<kv_cache> shared_cache(const sequence_request& r, kv_store& idle,
                                     const sequences& running,
                                     std::uint32_t own, std::uint32_t most) {
  const auto kept = idle.longest_prefix(r.owner, r.tokens);
  const sequence* source = nullptr;
  std::uint32_t common = kept.length;
  for (const auto& s : running) {
    if (s->owner() != r.owner) continue;
    const auto done = s->tokens().first(s->forwarded());
    const std::uint32_t length = common_length(r.tokens, done);
    if (length <= common) continue;
    source = s.get();
    common = length;
  }
  const std::uint32_t length = std::min(common, most);
  if (length < own + shared_min) return std::nullopt;
  if (source != nullptr) return source->cache().prefix(length);
  return idle.take(kept.conversation, length, true);
}

}  // namespace

kv_cache reuse_cache(const sequence_request& r, kv_store& idle,
                     const sequences& running, const kv_shape& shape,
                     const std::shared_ptr<kv_memory>& memory) {
  const std::uint32_t most = reusable_length(r);
  const std::uint32_t own = idle.common_prefix(r.conversation, r.tokens);
  if (own < most)
    if (auto shared = shared_cache(r, idle, running, own, most))
      return *std::move(shared);
  if (own == 0) return kv_cache(shape, memory);
  // A request for the begin of what the cache holds leaves it as it is.
  const bool keep = !r.keep_cache || own == r.tokens.size();
  return idle.take(r.conversation, std::min(own, most), keep);
}

position_t first_captured(const sequence_request& r, std::uint32_t cached) {
  if (cached < r.capture_from || cached == 0) return r.capture_from;
  return first_position(chunk_of(cached) + 1);
}

}  // namespace lamina

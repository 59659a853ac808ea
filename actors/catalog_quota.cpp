// What an owner may hold: looked at when something new begins.
#include <caf/all.hpp>

#include "actors/catalog.hpp"

namespace lamina {
namespace {

error over(const principal& who, const std::string& what, std::uint64_t most) {
  return {error_code::limit_exceeded,
          who.name() + " may have " + std::to_string(most) + " " + what +
              " and has as many: delete some, or ask whoever runs the daemon"};
}

}  // namespace

/// `one_more`: a conversation is to begin. limit_exceeded; overloaded when it
/// is only a matter of waiting.
std::optional<error> catalog_state::over_quota(const principal& who,
                                               bool one_more) const {
  const auto& quota = view->tuned.quota;
  if (quota.conversations_max == 0 && quota.tokens_max == 0 &&
      quota.turns_max == 0)
    return std::nullopt;
  std::uint64_t conversations = 0;
  std::uint64_t tokens = 0;
  std::uint32_t turns = 0;
  for (const auto& [id, e] : entries) {
    if (e.removing || !owns(who, e.record)) continue;
    ++conversations;
    tokens += e.record.positions;
    turns += e.busy() ? 1 : 0;
  }
  if (one_more && quota.conversations_max != 0 &&
      conversations >= quota.conversations_max)
    return over(who, "conversations", quota.conversations_max);
  if (quota.tokens_max != 0 && tokens >= quota.tokens_max)
    return over(who, "tokens", quota.tokens_max);
  if (quota.turns_max != 0 && turns >= quota.turns_max)
    return error{error_code::overloaded,
                 who.name() + " has " + std::to_string(turns) +
                     " turns running, which is as many as allowed"};
  return std::nullopt;
}

}  // namespace lamina

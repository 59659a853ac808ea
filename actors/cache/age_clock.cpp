#include "actors/cache/age_clock.hpp"

namespace lamina {

std::optional<std::int64_t> age_clock::judge(std::int64_t wall_ms,
                                             std::int64_t steady_ms) {
  const look now{wall_ms, steady_ms};
  if (trusted_ && wall_ms <= trusted_->later(steady_ms) + jump_ms) {
    trusted_ = now;
    doubted_.reset();
    return wall_ms;
  }
  // One that jumps again, or back a little, has to prove itself anew.
  if (!doubted_ || wall_ms > doubted_->later(steady_ms) + jump_ms ||
      wall_ms < doubted_->wall_ms)
    doubted_ = now;
  if (steady_ms - doubted_->steady_ms < proof_ms)
    return trusted_ ? std::optional(trusted_->later(steady_ms)) : std::nullopt;
  trusted_ = now;
  doubted_.reset();
  return wall_ms;
}

}  // namespace lamina

#include "daemon/admission.hpp"

#include <algorithm>

namespace lamina {
namespace {

constexpr double failures_max = 5;
constexpr double failures_per_second = 0.1;
constexpr std::size_t addresses_max = 1'000;

error overloaded(std::string sentence, std::uint32_t retry_after_ms) {
  return {error_code::overloaded, std::move(sentence), retry_after_ms};
}

constexpr std::uint32_t when_one_may_have_left_ms = 2'000;

}  // namespace

std::optional<error> admission::arrive(const std::string& address) {
  if (open_ >= limits_.connections_max)
    return overloaded("the daemon has as many connections as it takes, " +
                          std::to_string(limits_.connections_max),
                      when_one_may_have_left_ms);
  if (!address.empty()) {
    if (open_over_tcp_ >= limits_.tcp_connections_max)
      return overloaded(
          "the daemon has as many connections over TCP as it "
          "takes, " +
              std::to_string(limits_.tcp_connections_max),
          when_one_may_have_left_ms);
    auto& of_this = of_address_[address];
    if (of_this >= limits_.connections_per_address_max)
      return overloaded(
          address + " has as many connections as one address may have, " +
              std::to_string(limits_.connections_per_address_max),
          when_one_may_have_left_ms);
    ++of_this;
    ++open_over_tcp_;
  }
  ++open_;
  return std::nullopt;
}

void admission::leave(const std::string& address) {
  --open_;
  if (address.empty()) return;
  --open_over_tcp_;
  auto of_this = of_address_.find(address);
  if (--of_this->second == 0) of_address_.erase(of_this);
}

/// As it is now; a new one may fail as often as any.
admission::failures& admission::failures_of(const std::string& address,
                                            time_point now) {
  auto [it, added] = failed_.try_emplace(address);
  auto& f = it->second;
  if (added) {
    order_.push_front(address);
    f = {failures_max, now, order_.begin()};
    if (order_.size() > addresses_max) {
      failed_.erase(order_.back());
      order_.pop_back();
    }
    return f;
  }
  order_.splice(order_.begin(), order_, f.used);
  const std::chrono::duration<double> passed = now - f.at;
  f.left =
      std::min(failures_max, f.left + passed.count() * failures_per_second);
  f.at = now;
  return f;
}

std::optional<error> admission::may_say_hello(const std::string& address,
                                              time_point now) {
  if (address.empty() || !failed_.contains(address)) return std::nullopt;
  const auto left = failures_of(address, now).left;
  if (left >= 1) return std::nullopt;
  const auto wait_ms = (1 - left) / failures_per_second * 1000;
  return overloaded("too many hellos from " + address + " have failed",
                    static_cast<std::uint32_t>(wait_ms) + 1);
}

void admission::hello_failed(const std::string& address, time_point now) {
  if (address.empty()) return;
  auto& f = failures_of(address, now);
  f.left = std::max(0.0, f.left - 1);
}

}  // namespace lamina

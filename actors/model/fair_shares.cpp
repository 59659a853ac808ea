#include "actors/model/fair_shares.hpp"

#include <algorithm>
#include <set>
#include <tuple>

namespace lamina {
namespace {

// Those that are not among `present` go; new ones begin where the one that had
// least is.
template <class Key, class Value, class Taken>
void keep(std::map<Key, Value>& accounts, const std::set<Key>& present,
          Taken taken) {
  std::erase_if(accounts,
                [&](const auto& a) { return !present.contains(a.first); });
  std::uint64_t least = 0;
  bool any = false;
  for (auto& [key, value] : accounts) {
    least = any ? std::min(least, taken(value)) : taken(value);
    any = true;
  }
  for (const auto& key : present)
    if (const auto [at, added] = accounts.try_emplace(key); added)
      taken(at->second) = least;
}

}  // namespace

void fair_shares::attend(std::span<const prefill_claim> claims) {
  std::set<std::string> owners;
  for (const auto& c : claims)
    owners.insert(*c.owner);
  keep(owners_, owners, [](account& a) -> std::uint64_t& { return a.taken; });
  for (auto& [owner, of_owner] : owners_) {
    std::set<std::uint64_t> sessions;
    for (const auto& c : claims)
      if (*c.owner == owner) sessions.insert(c.session);
    keep(of_owner.taken_by, sessions,
         [](std::uint64_t& taken) -> std::uint64_t& { return taken; });
  }
}

prefill_claim* fair_shares::next(std::span<prefill_claim> claims, bool bulk) {
  prefill_claim* first = nullptr;
  std::tuple<std::uint64_t, std::uint64_t> least;
  for (auto& c : claims) {
    if (c.bulk != bulk || c.granted == c.wanted) continue;
    const account& a = owners_.at(*c.owner);
    const std::tuple had(a.taken, a.taken_by.at(c.session));
    if (first != nullptr && had >= least) continue;
    first = &c;
    least = had;
  }
  return first;
}

std::uint32_t fair_shares::grant(std::span<prefill_claim> claims, bool bulk,
                                 std::uint32_t rows) {
  while (rows > 0) {
    prefill_claim* c = next(claims, bulk);
    if (c == nullptr) break;
    const auto n = std::min({grain, c->wanted - c->granted, rows});
    c->granted += n;
    rows -= n;
    account& a = owners_.at(*c->owner);
    a.taken += n;
    a.taken_by.at(c->session) += n;
  }
  return rows;
}

void fair_shares::divide(std::span<prefill_claim> claims, std::uint32_t rows) {
  attend(claims);
  const bool bulk = std::any_of(claims.begin(), claims.end(),
                                [](const auto& c) { return c.bulk; });
  const std::uint32_t kept = bulk ? std::min(rows / 2, grain) : 0;
  std::uint32_t left = grant(claims, false, rows - kept);
  left = grant(claims, true, left + kept);
  grant(claims, false, left);
}

}  // namespace lamina

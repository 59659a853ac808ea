// Divides what a step may prefill among those who want it: equally among
// owners, and what an owner gets equally among their sessions; within a
// session who came first goes first. What somebody waits for goes before bulk,
// which always gets a little, so that it ends.
//
// Start-time fair queueing in grains of a few positions: who has had the least
// is next. One that comes (again) starts where the others are, so that having
// been away earns nothing. Plain; engine's thread.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>

namespace lamina {

/// A sequence that has positions to prefill.
struct prefill_claim {
  const std::string* owner = nullptr;
  std::uint64_t session = 0;
  bool bulk = false;
  std::uint32_t wanted = 0;
  std::uint32_t granted = 0;
};

class fair_shares {
 public:
  static constexpr std::uint32_t grain = 16;

  /// Sets `granted` of all claims, which come in the order of their arrival;
  /// together at most `rows`.
  void divide(std::span<prefill_claim> claims, std::uint32_t rows);

 private:
  struct account {
    std::uint64_t taken = 0;
    std::map<std::uint64_t, std::uint64_t> taken_by;  // session
  };

  void attend(std::span<const prefill_claim> claims);
  prefill_claim* next(std::span<prefill_claim> claims, bool bulk);
  std::uint32_t grant(std::span<prefill_claim> claims, bool bulk,
                      std::uint32_t rows);

  std::map<std::string, account> owners_;  // that have a claim now
};

}  // namespace lamina

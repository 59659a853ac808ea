#include "actors/model/kernels/team.hpp"

#include <omp.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <memory>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace lamina {
namespace {

using clock_type = std::chrono::steady_clock;

// The gap between two computations of a step is a norm or a rotation, a few
// microseconds; waking a sleeping thread takes 30 to 60 in a virtual machine.
constexpr std::chrono::microseconds spin_max{50};
constexpr int polls_per_look_at_clock = 64;
constexpr int threads_max = 256;

inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// Waits until `word` is no longer `old`; spins first, then sleeps.
void wait_while(const std::atomic<std::uint32_t>& word, std::uint32_t old) {
  const auto end = clock_type::now() + spin_max;
  do {
    for (int i = 0; i < polls_per_look_at_clock; ++i) {
      if (word.load(std::memory_order_acquire) != old) return;
      relax();
    }
  } while (clock_type::now() < end);
  word.wait(old, std::memory_order_acquire);
}

// The units that one member begins with: next in the upper half, end in the
// lower. Taking a unit is one compare-exchange of both, so it succeeds on the
// computation that is current at that moment, or not at all.
struct alignas(64) range {
  std::atomic<std::uint64_t> units{0};

  void fill(std::uint32_t first, std::uint32_t end) {
    units.store(std::uint64_t{first} << 32 | end, std::memory_order_release);
  }
  bool take(std::uint32_t& unit) {
    std::uint64_t now = units.load(std::memory_order_acquire);
    for (;;) {
      const auto next = static_cast<std::uint32_t>(now >> 32);
      if (next >= static_cast<std::uint32_t>(now)) return false;
      if (units.compare_exchange_weak(now, now + (std::uint64_t{1} << 32),
                                      std::memory_order_acq_rel,
                                      std::memory_order_acquire)) {
        unit = next;
        return true;
      }
    }
  }
};

// Set in workers, and in a caller while it works.
thread_local bool inside = false;

class team {
 public:
  explicit team(std::uint32_t size) : ranges_(size) {
    try {
      for (std::uint32_t member = 1; member < size; ++member)
        workers_.emplace_back([this, member] { serve(member); });
    } catch (const std::system_error&) {
      // No more threads to be had: those that came share the work.
    }
  }

  ~team() {
    stop_.store(true, std::memory_order_relaxed);
    call();
    for (auto& worker : workers_)
      worker.join();
  }

  std::uint32_t size() const {
    return static_cast<std::uint32_t>(ranges_.size());
  }

  void run(std::uint32_t units, void (*body)(void*, std::uint32_t),
           void* context) {
    // Nobody holds a unit now, so nobody reads these.
    body_ = body;
    context_ = context;
    left_.store(units, std::memory_order_relaxed);
    const auto members = static_cast<std::uint32_t>(workers_.size() + 1);
    for (std::uint32_t m = 0; m < members; ++m)
      ranges_[m].fill(
          static_cast<std::uint32_t>(std::uint64_t{units} * m / members),
          static_cast<std::uint32_t>(std::uint64_t{units} * (m + 1) / members));
    call();
    inside = true;
    work(0);
    inside = false;
    for (std::uint32_t left; (left = left_.load(std::memory_order_acquire));)
      wait_while(left_, left);
    if (failed_.load(std::memory_order_relaxed)) throw_again();
  }

 private:
  void call() {
    calls_.fetch_add(1, std::memory_order_release);
    calls_.notify_all();
  }

  void serve(std::uint32_t member) {
    inside = true;
    for (std::uint32_t seen = 0;;) {
      wait_while(calls_, seen);
      seen = calls_.load(std::memory_order_acquire);
      if (stop_.load(std::memory_order_relaxed)) return;
      work(member);
    }
  }

  void work(std::uint32_t member) {
    for (std::uint32_t i = 0; i < size(); ++i) {
      range& from = ranges_[(member + i) % size()];
      for (std::uint32_t unit; from.take(unit);) {
        try {
          body_(context_, unit);
        } catch (...) {
          if (!failed_.exchange(true, std::memory_order_relaxed))
            failure_ = std::current_exception();
        }
        if (left_.fetch_sub(1, std::memory_order_acq_rel) == 1)
          left_.notify_one();
      }
    }
  }

  [[noreturn]] void throw_again() {
    failed_.store(false, std::memory_order_relaxed);
    std::rethrow_exception(std::exchange(failure_, nullptr));
  }

  std::vector<range> ranges_;  // of each member, the caller first
  void (*body_)(void*, std::uint32_t) = nullptr;
  void* context_ = nullptr;
  std::exception_ptr failure_;
  std::atomic<bool> failed_{false};
  std::atomic<bool> stop_{false};
  alignas(64) std::atomic<std::uint32_t> calls_{0};
  alignas(64) std::atomic<std::uint32_t> left_{0};  // units not yet done
  std::vector<std::thread> workers_;
};

}  // namespace

void run_units(std::uint32_t units, void (*body)(void*, std::uint32_t),
               void* context) {
  const auto wanted = static_cast<std::uint32_t>(
      std::clamp(omp_get_max_threads(), 1, threads_max));
  if (wanted == 1 || inside || units < 2) {
    for (std::uint32_t unit = 0; unit < units; ++unit)
      body(context, unit);
    return;
  }
  thread_local std::unique_ptr<team> mine;
  if (mine == nullptr || mine->size() != wanted) {
    mine.reset();
    mine = std::make_unique<team>(wanted);
  }
  mine->run(units, body, context);
}

thread_limit::thread_limit(int threads) : before_(omp_get_max_threads()) {
  omp_set_num_threads(std::max(threads, 1));
}

thread_limit::~thread_limit() {
  omp_set_num_threads(before_);
}

}  // namespace lamina

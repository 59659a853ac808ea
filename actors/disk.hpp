// The disk actor: the one writer, with group commit.
//
// It gathers write_ops until `commit_bytes` have come together or
// `commit_delay` has passed since the first of them, commits all in one
// transaction and answers every sender after the sync.
//
// A transaction that fails (disk full, I/O error) fails its requests, and the
// daemon goes on in memory: what could not be written is kept within
// `backlog_bytes_max`, tried again with growing delays, and committed before
// anything newer. What frees or forks is tried at once, for it may help, and
// when it fails never later, for its sender was told so.
//
// Once a minute, and whenever much was written, the retention policy
// (actors/cache) says what must go; the store lets go of it in slices, each a
// message of its own so that commits get in between, and looks through some
// records for such as disagree. When nothing is left that may go, activations
// are refused (`cache_full`) and the rest is still written.
#pragma once

#include <caf/stateful_actor.hpp>
#include <caf/typed_response_promise.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <vector>

#include "actors/cache/age_clock.hpp"
#include "actors/cache/retention.hpp"
#include "actors/interfaces.hpp"
#include "actors/messages/disk.hpp"
#include "actors/store/store.hpp"
#include "actors/store/write_backlog.hpp"
#include "actors/view.hpp"

namespace lamina {

struct disk_options {
  std::uint64_t commit_bytes = 16u << 20;
  std::chrono::milliseconds commit_delay{5};
  std::uint64_t sweep_bytes = 64u << 20;  // freed in one transaction at most
  std::chrono::milliseconds sweep_delay{1000};
  std::uint64_t backlog_bytes_max = 256u << 20;
  std::chrono::milliseconds retry_first{1000};
  std::chrono::milliseconds retry_longest{60'000};
  retention_limits retention;
  std::chrono::milliseconds retention_delay{60'000};
  std::uint64_t retention_bytes = 64u << 20;  // written before the next look
  std::uint32_t looks_a_budget = 16;  // while a small budget's worth is written
  std::uint64_t repair_records = 10'000;  // examined every retention_delay
};

struct commit_due {};  // to itself
struct sweep_due {};   // to itself
struct retry_due {};   // to itself
struct retention_due {
  bool periodic = false;
};  // to itself

using disk_self =
    disk_actor::extend<reacts_to<commit_due>, reacts_to<sweep_due>,
                       reacts_to<retry_due>, reacts_to<retention_due>>;

struct disk_state {
  using pointer = disk_self::stateful_pointer<disk_state>;
  using promise = caf::typed_response_promise<result<ops_written>>;

  struct waiting {
    promise reply;
    std::shared_ptr<const std::vector<write_op>> ops;
  };

  explicit disk_state(pointer actor) : self(actor) {}
  ~disk_state();

  // Committing (disk.cpp).
  void enqueue(waiting w);
  std::optional<error> commit();
  result<commit_report> write(std::span<const write_op> ops);
  void answer(std::size_t first_op, bool refused,
              const result<commit_report>& outcome);
  void keep(std::span<const write_op> ops, const error& why);
  void retry();
  void caught_up(std::span<const write_op> ops, const commit_report& done);
  void tell_caught_up(std::span<const write_op> ops, const commit_report& done);

  // Keeping house (disk_retention.cpp).
  void sweep();
  void look_after(std::span<const write_op> ops, const commit_report& done);
  void retain();
  void tell(const eviction_report& report);
  void repair();

  static inline const char* name = "disk";
  pointer self;
  disk_options options;
  std::shared_ptr<store> environment;
  view_ptr view;
  std::vector<waiting> group;
  std::uint64_t group_bytes = 0;
  std::vector<waiting> committing;  // out of the group, not yet answered
  write_backlog owed{0};
  std::chrono::milliseconds retry_delay{0};  // 0: the disk takes writes
  bool retry_armed = false;
  bool commit_armed = false;
  bool sweep_armed = false;
  bool retention_armed = false;
  age_clock ages;
  std::optional<eviction_request> pursued;  // while a slice says: more
  std::uint64_t written_unlooked = 0;       // bytes since retention looked
  disk_status status;
};

disk_self::behavior_type disk(disk_state::pointer self,
                              std::shared_ptr<store> environment,
                              disk_options options);

}  // namespace lamina

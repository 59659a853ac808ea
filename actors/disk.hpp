// The disk actors: the one writer, with group commit, and the readers.
//
// The writer gathers write_ops until `commit_bytes` have come together or
// `commit_delay` has passed since the first of them, commits all in one
// transaction and answers every sender after the sync. A failed transaction
// fails its requests with the store's error and is counted; the next one is
// tried afresh, so a disk that has room again is used again.
#pragma once

#include <caf/stateful_actor.hpp>
#include <caf/typed_response_promise.hpp>
#include <chrono>
#include <memory>
#include <vector>

#include "actors/interfaces.hpp"
#include "actors/store/store.hpp"

namespace lamina {

struct disk_options {
  std::uint64_t commit_bytes = 16u << 20;
  std::chrono::milliseconds commit_delay{5};
  std::uint64_t sweep_bytes = 64u << 20;  // freed in one transaction at most
  std::chrono::milliseconds sweep_delay{1000};
};

struct commit_due {};  // to itself
struct sweep_due {};   // to itself

using disk_self =
    disk_actor::extend<reacts_to<commit_due>, reacts_to<sweep_due>>;

struct disk_state {
  using pointer = disk_self::stateful_pointer<disk_state>;
  using promise = caf::typed_response_promise<result<ops_written>>;

  struct waiting {
    promise reply;
    std::shared_ptr<const std::vector<write_op>> ops;
  };

  explicit disk_state(pointer actor) : self(actor) {}
  ~disk_state();

  void enqueue(waiting w);
  std::optional<error> commit();
  void answer(const std::vector<waiting>& group,
              const result<commit_report>& outcome);
  void sweep();

  static inline const char* name = "disk";
  pointer self;
  disk_options options;
  std::shared_ptr<store> environment;
  std::vector<waiting> group;
  std::uint64_t group_bytes = 0;
  bool commit_armed = false;
  bool sweep_armed = false;
  disk_status status;
};

disk_self::behavior_type disk(disk_state::pointer self,
                              std::shared_ptr<store> environment,
                              disk_options options);

struct reader_state {
  using pointer = reader_actor::stateful_pointer<reader_state>;
  explicit reader_state(pointer) {}
  static inline const char* name = "reader";
  std::shared_ptr<store> environment;
  std::unique_ptr<store_reader> reader;
};

reader_actor::behavior_type reader(reader_state::pointer self,
                                   std::shared_ptr<store> environment);

}  // namespace lamina

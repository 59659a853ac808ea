// Messages of the disk actor: what is written, and how the disk is.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "actors/messages/message.hpp"
#include "actors/store/write_ops.hpp"
#include "protocol/error.hpp"

namespace lamina {

/// Commits with others in one transaction; the reply comes when it is synced.
/// A failed transaction or op is the error.
struct write_ops {
  std::shared_ptr<const std::vector<write_op>> ops;
};

struct ops_written {
  std::uint64_t values_written = 0;
  std::uint64_t values_shared = 0;
  std::uint64_t bytes_written = 0;
  bool activations_refused = false;  // cache_full: the rest is written
};

struct get_disk_status {};

struct disk_status {
  std::uint64_t commits = 0;
  std::uint64_t bytes_written = 0;
  std::uint64_t failures = 0;
  std::string last_error;          // empty: healthy
  bool memory_only = false;        // the disk fails: nothing is stored
  std::uint64_t owed_bytes = 0;    // kept in memory until it is back
  std::uint64_t owed_dropped = 0;  // chunks whose activations it cost
  bool cache_full = false;         // only what may not go is left
  std::uint64_t values_evicted = 0;
  std::uint64_t bytes_evicted = 0;
  std::uint64_t records_repaired = 0;
};

struct flush_disk {};

}  // namespace lamina

// Writes that a failing disk could not take, kept in order until it can.
//
// Within a budget of bytes: beyond it the oldest activations go, and their
// chunks' records then say `dropped`; tokens and lens records stay. Pure; owned
// by the disk actor.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "actors/store/write_ops.hpp"

namespace lamina {

/// Bytes that an operation adds to a transaction, roughly.
std::uint64_t payload_bytes(const write_op& op);

/// Takes the activations out of an operation; the chunk's record says
/// `dropped` where it said `present`. False when it had none.
bool drop_values(write_op& op);

class write_backlog {
 public:
  explicit write_backlog(std::uint64_t bytes_max) : bytes_max_(bytes_max) {}

  void add(std::span<const write_op> ops);
  void clear();

  bool empty() const { return ops_.empty(); }
  std::span<const write_op> ops() const { return ops_; }
  std::uint64_t bytes() const { return bytes_; }
  /// Chunks that lost their activations to the budget, since the start.
  std::uint64_t dropped() const { return dropped_; }

 private:
  void shrink();

  std::uint64_t bytes_max_;
  std::uint64_t bytes_ = 0;
  std::uint64_t dropped_ = 0;
  std::vector<write_op> ops_;
  std::size_t whole_ = 0;  // operations before this one have no values
};

}  // namespace lamina

// Writes that a failing disk could not take, kept in order until it can.
//
// A later write of the same thing takes the place of the earlier one, so the
// backlog holds each conversation's record and each chunk once, however often
// a turn writes them again. Within a budget of bytes: beyond it the oldest
// activations go, and their chunks' records then say `dropped`; after them the
// oldest lens records, which are computed when they are asked for. Tokens
// stay. Pure; owned by the disk actor.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <utility>
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

  /// Forks and deletions are passed over: whoever asked for one was told that
  /// it failed, so it must not happen later.
  void add(std::span<const write_op> ops);
  /// The conversation was deleted: what is kept of it would bring it back.
  void forget(conversation_id id);
  void clear();

  bool empty() const { return ops_.empty(); }
  std::span<const write_op> ops() const { return ops_; }
  std::uint64_t bytes() const { return bytes_; }
  /// Chunks that lost their activations to the budget, since the start.
  std::uint64_t dropped() const { return dropped_; }

 private:
  // Each merges the operation into the earlier one of the same thing, or adds
  // it.
  void keep(const put_conversation& op);
  void keep(const put_chunk& op);
  void keep(const put_lens& op);
  void keep(const put_values& op);
  void keep(const cut_chunks& op);
  void keep(const touch_conversations& op);
  void keep(const put_book& op);
  void keep(const fork_conversation&) {}
  void keep(const delete_conversation&) {}

  template <class Op, class Key, class Merge>
  void put(std::map<Key, std::size_t>& places, const Key& key, const Op& op,
           Merge merge);
  template <class Goes>
  void remove_if(Goes goes);
  void shrink();

  std::uint64_t bytes_max_;
  std::uint64_t bytes_ = 0;
  std::uint64_t dropped_ = 0;
  std::vector<write_op> ops_;
  // Where in `ops_` the operation on something is.
  std::map<conversation_id, std::size_t> conversations_;
  std::map<std::pair<conversation_id, std::uint32_t>, std::size_t> chunks_;
  std::map<digest, std::size_t> lens_;
  std::map<digest, std::size_t> values_;
  std::map<conversation_id, std::size_t> cuts_;
  std::map<int, std::size_t> touches_;  // one at most
  std::map<std::uint64_t, std::size_t> books_;
  std::size_t whole_ = 0;     // operations before this one have no values
  std::size_t lensless_ = 0;  // and those before this one no lens records
};

}  // namespace lamina

// The chunks of a conversation while a turn is being written: tokens come one
// by one, chunks get their names, and finished chunks leave in order.
//
// Pure; owned by one generation actor.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "actors/chunks/chunk_key.hpp"
#include "actors/store/records.hpp"

namespace lamina {

/// Which parts of the ledger a turn promises for its chunks.
struct turn_promises {
  bool capture = true;
  lens_mode lens = lens_mode::deferred;
};

class turn_log {
 public:
  turn_log(conversation_id id, const digest& root,
           std::vector<chunk_record> chunks, turn_promises promises);

  position_t size() const { return size_; }
  const std::vector<chunk_record>& chunks() const { return chunks_; }
  const chunk_record& chunk(std::uint32_t index) const {
    return chunks_[index];
  }
  chunk_record& chunk(std::uint32_t index) { return chunks_[index]; }

  /// Ids of all tokens.
  std::vector<token_id> ids() const;

  const token_record& token(position_t p) const {
    return chunks_[chunk_of(p)].tokens[row_in_chunk(p)];
  }

  /// Adds a token and gives the index of its chunk. The chunk gets the name of
  /// this conversation's tail, or its full key with the 16th token; what an
  /// earlier turn promised for it is promised anew by this one.
  std::uint32_t append(token_record token);

  /// Promises for a whole chunk what the turn promises: its activations are
  /// captured again.
  void promise(std::uint32_t index);

  /// Where the capture of a turn has to begin, asked before its first token is
  /// appended: the first full chunk that lacks activations, else the open tail.
  position_t capture_from() const;

 private:
  void name(std::uint32_t index);

  conversation_id id_;
  digest root_;
  std::vector<chunk_record> chunks_;
  turn_promises promises_;
  position_t size_ = 0;
};

/// One site's entry in the ledger, or all sites'. Of all, those that were never
/// asked for stay so, unless none was: resid_post always is when any is.
void mark_activations(chunk_record& chunk, presence state,
                      std::optional<site> only = std::nullopt);

/// True when nothing has to be computed again for this chunk's activations.
bool has_activations(const chunk_record& chunk);

/// Releases things that finish in any order in the order of their index.
template <class T>
class in_order {
 public:
  explicit in_order(std::uint32_t first) : next_(first) {}

  void put(std::uint32_t index, T item) {
    waiting_.emplace(index, std::move(item));
  }

  std::optional<T> take() {
    auto it = waiting_.find(next_);
    if (it == waiting_.end()) return std::nullopt;
    std::optional<T> item(std::move(it->second));
    waiting_.erase(it);
    ++next_;
    return item;
  }

  std::uint32_t next() const { return next_; }

 private:
  std::uint32_t next_;
  std::map<std::uint32_t, T> waiting_;
};

}  // namespace lamina

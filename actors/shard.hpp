// A shard actor: one slice of the memory tier, by chunk name.
//
// A miss asks a disk reader; while that runs, others that want the same lens
// records wait for the same answer. Never blocks and never computes.
#pragma once

#include <caf/stateful_actor.hpp>
#include <caf/typed_response_promise.hpp>
#include <unordered_map>
#include <vector>

#include "actors/cache/memory_tier.hpp"
#include "actors/interfaces.hpp"

namespace lamina {

struct shard_state {
  using pointer = shard_actor::stateful_pointer<shard_state>;
  using lens_promise = caf::typed_response_promise<lens_found>;
  using values_promise = caf::typed_response_promise<result<values_found>>;

  explicit shard_state(pointer actor) : self(actor), tier(0) {}
  ~shard_state();

  caf::result<lens_found> lens_of(const find_lens& m);
  caf::result<result<values_found>> values_of(const find_values& m);
  void lens_arrived(const digest& name, const lens_block_ptr& block);
  void merge_lens(const digest& name, const lens_block& block);

  static inline const char* name = "shard";
  pointer self;
  memory_tier tier;
  view_ptr view;
  std::unordered_map<digest, std::vector<lens_promise>, digest_hash> reading;
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
};

shard_actor::behavior_type shard(shard_state::pointer self,
                                 std::uint64_t bytes_max, view_ptr view);

}  // namespace lamina

// A shard actor: one slice of the memory tier, by chunk name.
//
// A miss asks a disk reader; while that runs, others that want the same wait
// for the same answer. What the reader found damaged is passed on and not kept.
// Never blocks and never computes.
#pragma once

#include <caf/stateful_actor.hpp>
#include <caf/typed_response_promise.hpp>
#include <chrono>
#include <map>
#include <unordered_map>
#include <vector>

#include "actors/cache/memory_tier.hpp"
#include "actors/interfaces.hpp"
#include "actors/messages/reader.hpp"
#include "actors/messages/shard.hpp"
#include "actors/view.hpp"

namespace lamina {

struct shard_options {
  std::uint64_t bytes_max = 0;
  std::chrono::milliseconds ttl{0};  // 0: entries go only for want of room
};

struct age_due {};  // to itself

using shard_self = shard_actor::extend<reacts_to<age_due>>;

struct shard_state {
  using pointer = shard_self::stateful_pointer<shard_state>;
  using lens_promise = caf::typed_response_promise<lens_found>;
  using values_promise = caf::typed_response_promise<result<values_found>>;

  explicit shard_state(pointer actor) : self(actor), tier(0) {}
  ~shard_state();

  caf::result<lens_found> lens_of(const find_lens& m);
  caf::result<result<values_found>> values_of(const find_values& m);
  void values_arrived(const find_values& m, const values_read& read);
  void lens_arrived(const digest& name, const lens_read& read);
  void merge_lens(const digest& name, const lens_block& block);

  static inline const char* name = "shard";
  pointer self;
  memory_tier tier;
  view_ptr view;
  std::unordered_map<digest, std::vector<lens_promise>, digest_hash> reading;
  std::map<std::vector<value_key>, std::vector<values_promise>> reading_values;
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
};

shard_self::behavior_type shard(shard_state::pointer self,
                                shard_options options, view_ptr view);

}  // namespace lamina

// The lens actors: records from exact rows, one position block at a time.
//
// Requests queue inside the actor, so that it knows how much waits: beyond the
// byte budget a request is refused with `overloaded` and the ledger says
// on_demand. Clicks have an actor of their own, so no backlog delays them.
#pragma once

#include <caf/stateful_actor.hpp>
#include <caf/typed_response_promise.hpp>
#include <deque>

#include "actors/interfaces.hpp"

namespace lamina {

struct lens_options {
  std::uint64_t backlog_bytes_max = 256u << 20;
  int threads = 1;
};

struct lens_due {};  // to itself

using lens_self = lens_actor::extend<reacts_to<lens_due>>;

struct lens_state {
  using pointer = lens_self::stateful_pointer<lens_state>;
  using promise = caf::typed_response_promise<lens_computed>;

  explicit lens_state(pointer actor) : self(actor) {}
  ~lens_state();

  static inline const char* name = "lens";
  pointer self;
  lens_options options;
  struct waiting {
    promise reply;
    compute_lens_rows work;
  };
  std::deque<waiting> queue;
  lens_status status;

  caf::result<lens_computed> enqueue(const compute_lens_rows& work);
  void compute_next();
};

lens_self::behavior_type lens(lens_state::pointer self, lens_options options);

}  // namespace lamina

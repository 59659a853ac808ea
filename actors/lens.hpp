// The lens actors: records and readouts from rows, one chunk's at a time.
//
// Requests queue inside the actor, so that it knows how much waits: beyond the
// byte budget a request is refused with `overloaded` and the ledger says
// on_demand. Who sends one request at a time and waits for its answer bounds
// itself; those are neither counted nor refused. Clicks have an actor of their
// own, so no backlog delays them.
#pragma once

#include <caf/stateful_actor.hpp>
#include <caf/typed_response_promise.hpp>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>

#include "actors/interfaces.hpp"
#include "actors/messages/lens.hpp"

namespace lamina {

struct lens_options {
  std::uint64_t backlog_bytes_max = 256u << 20;
  int threads = 1;
};

struct lens_due {};  // to itself

using lens_self = lens_actor::extend<reacts_to<lens_due>>;

struct lens_state {
  using pointer = lens_self::stateful_pointer<lens_state>;

  explicit lens_state(pointer actor) : self(actor) {}
  ~lens_state();

  static inline const char* name = "lens";
  pointer self;
  lens_options options;
  struct waiting {
    std::uint64_t bytes = 0;                        // against the budget
    std::function<std::uint32_t()> compute;         // answers; positions done
    std::function<void(const error& why)> give_up;  // answers, too
  };
  std::deque<waiting> queue;
  lens_status status;
  // Opened tuned lenses by file: as long as the daemon runs.
  std::map<std::filesystem::path, lens_maps_ptr> opened;

  caf::result<lens_computed> enqueue(const compute_lens_rows& work);
  caf::result<readout_computed> enqueue(const compute_readout& work);
  lens_maps_opened open(const open_lens_maps& m);
  void push(waiting work);
  void compute_next();
};

lens_self::behavior_type lens(lens_state::pointer self, lens_options options);

}  // namespace lamina

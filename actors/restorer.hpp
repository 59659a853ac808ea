// The restorer: stores again what had to be computed again for a reader, so
// that the next one finds it. Its work is a favour: beyond `pending_max` chunks
// at once, and when disk or codec fail, it is let go.
#pragma once

#include <caf/stateful_actor.hpp>

#include "actors/interfaces.hpp"
#include "actors/messages/ledger.hpp"
#include "actors/messages/restorer.hpp"
#include "actors/store/write_ops.hpp"
#include "actors/view.hpp"

namespace lamina {

struct restorer_options {
  bool enabled = true;
  std::uint32_t pending_max = 16;
};

struct restorer_state {
  using pointer = restorer_actor::stateful_pointer<restorer_state>;
  explicit restorer_state(pointer actor) : self(actor) {}

  void restore(const restore_rows& m);
  void restore(const restore_lens& m);
  void write(write_op op, chunk_found found);

  static inline const char* name = "restorer";
  pointer self;
  restorer_options options;
  view_ptr view;
  std::uint32_t pending = 0;
};

restorer_actor::behavior_type restorer(restorer_state::pointer self,
                                       restorer_options options, view_ptr view);

}  // namespace lamina

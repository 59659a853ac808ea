// A reader actor: one reading side of the store on a thread of its own.
//
// Every value that it reads is checked here, once: what is in memory is not
// hashed again. One that fails goes on unmarked, and whoever decodes it meets
// the reason.
#pragma once

#include <caf/stateful_actor.hpp>
#include <memory>

#include "actors/interfaces.hpp"
#include "actors/messages/reader.hpp"
#include "actors/store/store.hpp"

namespace lamina {

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

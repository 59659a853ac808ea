// The model actor: owns one engine and steps it, one step a message, so that
// cancels, credit and new sequences get in between.
//
// Back-pressure: raw chunks that a sequence has produced and that are not yet
// safe count against `in_flight_bytes_max`; a sequence beyond it sits out the
// steps until credit returns, the others go on. One that was begun with
// `backpressure::drop` goes on, too: its sink gives chunks up instead.
//
// When it is retired its sequences end as `unloaded`, each with the forward
// pass of its last token, and then it does.
//
// An exception in a step ends the actor: its sequences are told why, and the
// supervisor starts a new one on the same weights.
#pragma once

#include <caf/stateful_actor.hpp>
#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/codec/quality.hpp"
#include "actors/interfaces.hpp"
#include "actors/messages/model.hpp"
#include "actors/model/engine.hpp"

namespace lamina {

struct model_actor_options {
  model_options model;
  engine_options engine;
  std::uint64_t in_flight_bytes_max = 256u << 20;  // of one sequence
  int threads = 0;                                 // 0: as OpenMP decides
  quality kept = quality::lossless;  // of its captures, unless asked else
  backpressure when_full = backpressure::wait;            // likewise
  std::map<std::string, std::filesystem::path> lenses{};  // tuned, by name
  std::vector<std::filesystem::path> roots{};  // to load from; empty: any
  std::uint64_t fault_after_steps = 0;         // tests: throw once then
};

struct step_due {};  // to itself

using model_self = model_actor::extend<reacts_to<step_due>>;

struct model_state {
  using pointer = model_self::stateful_pointer<model_state>;
  using clock = std::chrono::steady_clock;

  struct sequence {
    sequence_sink sink;
    std::uint64_t in_flight_bytes = 0;
    std::uint64_t chunk_bytes = 0;  // of one chunk of its model
    const raw_chunk* newest = nullptr;
    bool waits = true;  // when it is beyond the budget; else its sink drops
    bool paused = false;
  };

  explicit model_state(pointer actor) : self(actor) {}
  ~model_state();

  sequence_begun begin(const begin_sequence& m);
  void step();
  void timed_step();
  double waiting() const;
  void deliver(sequence_progress progress);
  void credit(sequence_id id, std::uint64_t bytes);
  void cancel(sequence_id id);
  void retire();
  void end_when_retired();
  void sink_down(const caf::actor_addr& who);
  void arm();
  model_status status() const;

  static inline const char* name = "model";
  pointer self;
  model_actor_options options;
  std::unique_ptr<engine> runner;
  double step_seconds = 0;     // spent in steps
  double waiting_seconds = 0;  // before `idle_since`
  // The end of the last step, or the first sequence's begin, while there are
  // sequences.
  std::optional<clock::time_point> idle_since;
  std::map<sequence_id, sequence> sequences;
  std::string dies_because = "the model actor stopped";
  std::optional<std::string> fault;
  bool armed = false;
  bool retiring = false;
};

/// Loads the model unless `loaded` is given, and tells the supervisor.
model_self::behavior_type model_runner(model_state::pointer self,
                                       model_actor_options options,
                                       model_ptr loaded,
                                       supervisor_actor supervisor);

}  // namespace lamina

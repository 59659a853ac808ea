// Messages of the model actors, what whoever runs a sequence is told, and what
// the supervisor hears of loading.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "actors/chunks/backpressure.hpp"
#include "actors/interfaces.hpp"
#include "actors/messages/message.hpp"
#include "actors/model/engine.hpp"
#include "actors/store/records.hpp"
#include "protocol/error.hpp"
#include "protocol/site.hpp"

namespace lamina {

/// Joins the running batch. The sink gets `sequence_advanced` for each step,
/// or one `sequence_failed`.
struct begin_sequence {
  std::shared_ptr<const sequence_request> request;
  sequence_sink sink;
  backpressure when_full = backpressure::wait;
};

struct sequence_admitted {
  sequence_id id = 0;
  position_t capture_from = 0;  // rows below are not captured
};

using sequence_begun = result<sequence_admitted>;

struct sequence_advanced {
  std::shared_ptr<const sequence_progress> progress;
};

struct sequence_failed {
  sequence_id sequence = 0;
  error reason{error_code::internal, {}};
};

struct cancel_sequence {
  sequence_id sequence = 0;
};

/// Bytes of raw chunks that are encoded and safe (or given up).
struct return_credit {
  sequence_id sequence = 0;
  std::uint64_t bytes = 0;
};

/// Frees the KV cache of a conversation.
struct forget_conversation {
  conversation_id id = 0;
};

/// The weights are mapped and the engine is ready.
struct model_loaded {
  std::string name;
  model_ptr model;
};

/// The directory cannot be served; trying again would not help.
struct model_refused {
  std::string name;
  error reason{error_code::internal, {}};
};

/// Makes the next step throw: how tests see the supervisor work.
struct inject_model_fault {
  std::string message;
};

struct get_model_status {};

struct model_status {
  engine_stats engine;
  std::uint64_t in_flight_bytes = 0;
  std::uint32_t paused = 0;
  double step_seconds = 0;     // spent in steps since the actor started
  double waiting_seconds = 0;  // between them, while there were sequences
};

}  // namespace lamina

// Messages of a running turn and of those who follow it: its viewers, and the
// followers of its lens records.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/chunks/backpressure.hpp"
#include "actors/codec/quality.hpp"
#include "actors/interfaces.hpp"
#include "actors/messages/message.hpp"
#include "actors/messages/tokens.hpp"
#include "actors/model/sampling.hpp"
#include "actors/store/records.hpp"
#include "protocol/error.hpp"
#include "protocol/message.hpp"
#include "protocol/site.hpp"

namespace lamina {

/// What a client asked of a turn.
struct turn_options {
  std::string prompt;  // exact bytes
  std::uint32_t max_new_tokens = 128;
  sampling_options sampling;
  bool model_sampling = false;  // as the model asks; `sampling` gives the seed
  std::vector<std::string> stop;
  bool capture = true;
  lens_mode lens = lens_mode::deferred;
  bool keep_running = false;
  std::optional<quality> kept;            // none: the model's
  std::optional<backpressure> when_full;  // none: the model's
};

/// Tokens a viewer has not seen, consecutive. The reply is the viewer's credit
/// for the next batch: a slow viewer gets fewer, larger ones.
struct turn_tokens {
  std::vector<placed_token> tokens;
  std::string text;  // newly complete text of the answer, valid UTF-8
};

struct tokens_taken {};

/// Lens records of the turn's positions below `end` are there, or will be made
/// only when somebody asks. The reply is the credit for the next one: a slow
/// follower hears of more at once.
struct lens_grew {
  position_t end = 0;
  bool settled = false;  // the turn is over, and so are its records
};

struct growth_taken {};

/// The turn's end; nothing follows.
struct turn_done {
  wire::DoneT done;
};

struct turn_failed {
  error reason{error_code::internal, {}};
};

/// Follows a turn from a position on, running or just ended.
struct watch_turn {
  viewer_actor viewer;
  std::optional<position_t> from;  // default: where the turn begins
  bool wait_durable = false;
};

/// The viewer does not care any more.
struct leave_turn {
  viewer_actor viewer;
};

/// Follows a turn's lens records until they are settled. The answer is how far
/// they are now.
struct follow_lens {
  lens_follower_actor follower;
};

struct turn_watched {
  conversation_id conversation = 0;
  std::string model;
  std::uint16_t turn = 0;
  position_t from = 0;
};

using watch_result = result<turn_watched>;

struct cancel_turn {};

/// What changed of the conversation that this turn is writing.
struct amend_turn {
  bool pinned = true;
  std::string group;
};

}  // namespace lamina

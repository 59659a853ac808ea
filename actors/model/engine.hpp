// The engine steps all running sequences of one model together: linear layers
// see every running token at once, attention runs per sequence. It captures
// activations straight from the forward pass and samples the next tokens.
//
// Plain C++: no actor, no thread of its own. Owned by one model actor and used
// from its thread only; the weights it reads are shared. When memory runs out
// in a step, the idle caches go, then the newest sequence fails, and the others
// take the step again. Anything else that torch throws leaves `step` as it is;
// the engine must then be destroyed.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/chunks/lens_record.hpp"
#include "actors/chunks/raw_chunk.hpp"
#include "actors/model/model.hpp"
#include "actors/model/prefill_pace.hpp"
#include "actors/model/sampling.hpp"
#include "actors/model/step_clock.hpp"
#include "protocol/error.hpp"
#include "protocol/site.hpp"

namespace lamina {

struct sequence_request {
  std::uint64_t conversation = 0;  // whose KV cache is kept
  /// Of the conversation: whose other KV caches may be reused, too, and whose
  /// share of the steps it takes.
  std::string owner;
  std::uint64_t session = 0;         // of the owner's, likewise
  bool bulk = false;                 // nobody waits for it: after the others
  std::vector<token_id> tokens;      // everything known: past turns and prompt
  std::uint32_t max_new_tokens = 0;  // 0: only prefill (recomputation)
  std::vector<std::string> stop;
  sampling_options sampling;
  bool capture = true;
  position_t capture_from = 0;  // a chunk boundary; rows below are not kept
  /// A chunk boundary behind that one: rows below it are captured only where
  /// they have to be computed anyway. None: the KV cache spares no row that
  /// could be captured.
  std::optional<position_t> capture_required_from{};
  lens_mode lens = lens_mode::deferred;  // eager: rows come with the step
  bool keep_cache = true;  // keep KV for the conversation's next turn
};

using sequence_id = std::uint64_t;

enum class finish_reason : std::uint8_t {
  length = 1,        // max_new_tokens
  stop = 2,          // a stop string
  end_of_text = 3,   // the model's own end token
  context_full = 4,  // the model's context is used up
  cancelled = 5,
  prefilled = 6,  // a request without new tokens is complete
  unloaded = 7,   // the model was taken away
};

/// What one step did for one sequence.
struct sequence_progress {
  sequence_id sequence = 0;
  /// Newly decided tokens that are final: never cut by a stop string later.
  /// They continue where the last progress ended.
  std::vector<token_id> tokens;
  /// Chunks whose rows grew, only up to positions that are final. A chunk
  /// appears again with a larger `end` as it fills.
  std::vector<ready_rows> rows;
  /// With lens_mode::eager, records of the same positions as `rows` adds.
  std::vector<lens_rows_ptr> lens;
  std::uint32_t prompt_done = 0;    // prompt positions forwarded so far
  std::uint32_t prompt_reused = 0;  // positions taken from the KV cache
  std::optional<finish_reason> finished;
  /// The sequence is over for this reason instead; nothing follows.
  std::optional<error> failed;
  /// When a stop string begins inside the last token, which then is among
  /// `tokens` or was: how many of its bytes are text.
  std::optional<std::uint32_t> last_token_text_bytes;
};

struct engine_options {
  std::size_t kv_budget_bytes = std::size_t{1} << 30;  // idle caches
  /// At once; three quarters of them at most of one owner, one quarter bulk.
  std::uint32_t max_sequences = 128;
  /// Caches of all that run, each as it will be in the end; 0: unbounded.
  std::uint64_t kv_running_bytes_max = 0;
  pace_limits pace;  // what a step prefills
};

struct engine_stats {
  std::uint32_t sequences = 0;
  std::uint32_t idle_caches = 0;
  // Pages that several caches share count once; those of both kinds as idle.
  std::uint64_t kv_bytes_running = 0;
  std::uint64_t kv_bytes_idle = 0;
  std::uint64_t steps = 0;
  std::uint64_t tokens_prefilled = 0;
  std::uint64_t tokens_decoded = 0;
  step_seconds seconds{};  // spent in steps, by part
};

class engine {
 public:
  static std::unique_ptr<engine> create(model_ptr m, engine_options options);

  virtual ~engine() = default;

  /// Joins at the next step. context_full, invalid_argument; overloaded, with
  /// the time after which the first of those that run may have ended.
  virtual result<sequence_id> add(sequence_request request) = 0;

  /// Where the capture of a sequence that was just added begins.
  virtual position_t captured_from(sequence_id id) const = 0;

  /// Ends a sequence at the next step, tokens so far kept, as cancelled or
  /// unloaded. Unknown: ignored.
  virtual void cancel(sequence_id id,
                      finish_reason why = finish_reason::cancelled) = 0;

  /// A sequence without credit sits out the steps until it is resumed.
  virtual void pause(sequence_id id, bool paused) = 0;

  /// From now on the sequence captures nothing more.
  virtual void stop_capture(sequence_id id) = 0;

  /// One forward pass over all sequences that can run; empty when none can.
  virtual std::vector<sequence_progress> step() = 0;

  /// True when `step` would do nothing.
  virtual bool idle() const = 0;

  /// Frees the KV cache kept for a conversation.
  virtual void forget(std::uint64_t conversation) = 0;

  virtual engine_stats stats() const = 0;
};

}  // namespace lamina

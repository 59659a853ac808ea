// One running sequence: its tokens, KV cache, sampler, stop strings, capture
// and when it ends. The engine moves it forward; all decisions that concern
// one sequence only are made here. Engine's thread.
//
// Invariants: positions 0 .. forwarded()-1 are in the cache; tokens that were
// announced, and their rows, are never cut off again.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "actors/model/capture.hpp"
#include "actors/model/eager_lens.hpp"
#include "actors/model/engine.hpp"
#include "actors/model/kv_cache.hpp"
#include "actors/model/sampling.hpp"
#include "actors/model/stop_matcher.hpp"

namespace lamina {

class sequence {
 public:
  /// `cache` holds the first positions of the request's tokens.
  sequence(sequence_id id, sequence_request request, const model& m,
           kv_cache cache);

  sequence_id id() const { return id_; }
  std::uint64_t conversation() const { return conversation_; }
  const std::string& owner() const { return owner_; }
  std::uint64_t session() const { return session_; }
  bool bulk() const { return bulk_; }
  bool keeps_cache() const { return keep_cache_ && !failure_; }
  kv_cache& cache() { return cache_; }
  const kv_cache& cache() const { return cache_; }

  std::uint32_t forwarded() const { return cache_.length(); }
  /// Tokens that are known and not forwarded yet.
  std::span<const token_id> pending() const {
    return std::span(tokens_).subspan(forwarded());
  }
  std::span<const token_id> tokens() const { return tokens_; }
  std::uint32_t prompt_length() const { return prompt_length_; }
  /// Tokens that it may still choose.
  std::uint32_t tokens_left() const;

  bool paused() const { return paused_ && !ending_ && !failure_; }
  void pause(bool paused) { paused_ = paused; }
  void cancel(finish_reason why);
  /// Over at once: `progress` says why, and the cache is not kept.
  void fail(error why);
  bool failed() const { return failure_.has_value(); }
  void stop_capture();

  /// Nothing is left to forward; `progress` will say that it finished.
  bool finished() const;

  /// Null once stopped, or when the request wanted none.
  capture* captured() { return capture_ ? &*capture_ : nullptr; }
  const capture* captured() const { return capture_ ? &*capture_ : nullptr; }
  eager_lens* lens() { return lens_ ? &*lens_ : nullptr; }

  /// After a pass: decides whether a request that needs no token is complete.
  void settle();
  /// True when the next token must be sampled.
  bool wants_token() const { return pending().empty() && !ending_; }
  /// Chooses the next token; logits that are no numbers fail the sequence.
  void sample(std::span<const float> logits);

  /// What changed since the last call.
  sequence_progress progress();

  /// The cache and the tokens that it covers, when the sequence is over.
  std::vector<token_id> covered_tokens() const;

 private:
  void append(token_id token);
  void cut(const stop_match& match);
  std::uint32_t final_length() const;

  sequence_id id_;
  std::uint64_t conversation_;
  std::string owner_;
  std::uint64_t session_;
  bool bulk_;
  bool keep_cache_;
  const model& model_;  // the engine keeps it alive
  std::vector<token_id> end_tokens_;
  std::vector<token_id> tokens_;
  std::uint32_t prompt_length_;
  std::uint32_t max_new_tokens_;
  std::uint32_t reused_;
  std::uint32_t announced_;  // tokens; the prompt's count as announced
  kv_cache cache_;
  sampler sampler_;
  stop_matcher stops_;
  std::optional<capture> capture_;
  std::optional<eager_lens> lens_;
  bool paused_ = false;
  std::optional<finish_reason> ending_;
  std::optional<error> failure_;
  std::optional<std::uint32_t> last_token_text_bytes_;
};

using sequences = std::vector<std::unique_ptr<sequence>>;

}  // namespace lamina

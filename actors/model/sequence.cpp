#include "actors/model/sequence.hpp"

#include <algorithm>
#include <cassert>
#include <string>
#include <utility>

namespace lamina {
namespace {

bool is_cancelled(finish_reason why) {
  return why == finish_reason::cancelled || why == finish_reason::unloaded;
}

}  // namespace

sequence::sequence(sequence_id id, sequence_request request, const model& m,
                   kv_cache cache)
    : id_(id),
      conversation_(request.conversation),
      owner_(std::move(request.owner)),
      session_(request.session),
      bulk_(request.bulk),
      keep_cache_(request.keep_cache),
      model_(m),
      end_tokens_(m.end_tokens()),
      tokens_(std::move(request.tokens)),
      prompt_length_(static_cast<std::uint32_t>(tokens_.size())),
      max_new_tokens_(request.max_new_tokens),
      reused_(cache.length()),
      announced_(prompt_length_),
      cache_(std::move(cache)),
      sampler_(request.sampling),
      stops_(std::move(request.stop)) {
  assert(cache_.length() < tokens_.size());
  if (!request.capture) return;
  capture_.emplace(m.shape(), request.capture_from);
  if (request.lens == lens_mode::eager)
    lens_.emplace(m.description().layers, request.capture_from);
}

// A turn that is complete but for its last forward ends as it would have.
void sequence::cancel(finish_reason why) {
  if (!ending_) ending_ = why;
}

void sequence::fail(error why) {
  failure_ = std::move(why);
}

void sequence::stop_capture() {
  capture_.reset();
  lens_.reset();
}

// A cancelled prefill stops where it is; a cancelled answer still forwards
// its last token, so that all of it can be looked at.
bool sequence::finished() const {
  if (failure_) return true;
  if (!ending_) return false;
  return pending().empty() || (is_cancelled(*ending_) && pending().size() > 1);
}

std::uint32_t sequence::tokens_left() const {
  const auto chosen =
      static_cast<std::uint32_t>(tokens_.size()) - prompt_length_;
  return ending_ ? 0 : max_new_tokens_ - std::min(chosen, max_new_tokens_);
}

void sequence::settle() {
  if (!wants_token()) return;
  if (max_new_tokens_ == 0)
    ending_ = finish_reason::prefilled;
  else if (tokens_.size() >= model_.description().context_length)
    ending_ = finish_reason::context_full;
}

void sequence::sample(std::span<const float> logits) {
  assert(wants_token());
  const auto token = sampler_.next(logits);
  if (!token)
    return fail({token.error().code, "position " +
                                         std::to_string(tokens_.size()) + ": " +
                                         token.error().context});
  append(token.value());
}

void sequence::append(token_id token) {
  tokens_.push_back(token);
  const auto generated =
      static_cast<std::uint32_t>(tokens_.size()) - prompt_length_;
  if (std::find(end_tokens_.begin(), end_tokens_.end(), token) !=
      end_tokens_.end())
    ending_ = finish_reason::end_of_text;
  else if (const auto match = stops_.push(model_.text().bytes_of(token)))
    cut(*match);
  else if (generated == max_new_tokens_)
    ending_ = finish_reason::length;
  else if (tokens_.size() == model_.description().context_length)
    ending_ = finish_reason::context_full;
}

void sequence::cut(const stop_match& match) {
  const std::uint32_t length = prompt_length_ + match.kept_tokens;
  assert(length >= announced_);
  tokens_.resize(length);
  cache_.truncate(length);
  last_token_text_bytes_ = match.last_token_text_bytes;
  ending_ = finish_reason::stop;
}

// Tokens that no stop string can cut off any more.
std::uint32_t sequence::final_length() const {
  const auto length = static_cast<std::uint32_t>(tokens_.size());
  return ending_ ? length : length - stops_.withheld();
}

sequence_progress sequence::progress() {
  sequence_progress p;
  p.sequence = id_;
  const std::uint32_t final = final_length();
  p.tokens.assign(tokens_.begin() + announced_, tokens_.begin() + final);
  announced_ = final;
  p.prompt_done = std::min(forwarded(), prompt_length_);
  p.prompt_reused = reused_;
  const position_t rows_end = std::min(forwarded(), final);
  if (capture_) p.rows = capture_->announce(rows_end);
  if (lens_)
    if (auto records = lens_->announce(rows_end))
      p.lens.push_back(std::move(records));
  // Known as soon as the last token is announced, one step before its rows.
  if (ending_) p.last_token_text_bytes = last_token_text_bytes_;
  p.failed = failure_;
  if (finished() && !failure_) p.finished = ending_;
  return p;
}

std::vector<token_id> sequence::covered_tokens() const {
  return {tokens_.begin(), tokens_.begin() + forwarded()};
}

}  // namespace lamina

#include "actors/generations/turn_log.hpp"

#include <algorithm>
#include <utility>

namespace lamina {

bool has_activations(const chunk_record& chunk) {
  return chunk.resid_post == presence::present ||
         chunk.resid_post == presence::pending;
}

void mark_activations(chunk_record& chunk, presence state,
                      std::optional<site> only) {
  const bool none_asked = chunk.resid_post == presence::never_asked;
  const auto put = [&](site at, presence& of) {
    if (only ? *only == at : none_asked || of != presence::never_asked)
      of = state;
  };
  // The one that says whether any was asked for comes last.
  put(site::embed, chunk.embed);
  put(site::final_norm, chunk.final_norm);
  put(site::resid_post, chunk.resid_post);
}

turn_log::turn_log(conversation_id id, const digest& root,
                   std::vector<chunk_record> chunks, turn_promises promises)
    : id_(id), root_(root), chunks_(std::move(chunks)), promises_(promises) {
  for (const auto& chunk : chunks_)
    size_ += static_cast<position_t>(chunk.tokens.size());
}

std::vector<token_id> turn_log::ids() const {
  std::vector<token_id> ids;
  ids.reserve(size_);
  for (const auto& chunk : chunks_)
    for (const auto& token : chunk.tokens)
      ids.push_back(token.id);
  return ids;
}

std::uint32_t turn_log::append(token_record token) {
  auto index = chunk_of(size_++);
  if (index == chunks_.size()) chunks_.emplace_back();
  auto& chunk = chunks_[index];
  chunk.tokens.push_back(std::move(token));
  name(index);
  promise(index);
  return index;
}

void turn_log::promise(std::uint32_t index) {
  auto& chunk = chunks_[index];
  if (!promises_.capture) {
    // What an earlier turn kept of this chunk goes with its old name.
    auto raw = chunk.resid_post == presence::never_asked ? presence::never_asked
                                                         : presence::on_demand;
    chunk.embed = chunk.resid_post = chunk.final_norm = chunk.lens = raw;
    return;
  }
  chunk.embed = chunk.resid_post = chunk.final_norm = presence::pending;
  chunk.lens = promises_.lens == lens_mode::on_demand ? presence::on_demand
                                                      : presence::pending;
}

void turn_log::name(std::uint32_t index) {
  auto& chunk = chunks_[index];
  chunk.full = chunk.tokens.size() == chunk_positions;
  if (!chunk.full) {
    chunk.name = tail_key(id_, index);
    return;
  }
  token_id ids[chunk_positions];
  std::transform(chunk.tokens.begin(), chunk.tokens.end(), ids,
                 [](const token_record& t) { return t.id; });
  chunk.name = chunk_key(index == 0 ? root_ : chunks_[index - 1].name, ids);
}

position_t turn_log::capture_from() const {
  std::uint32_t index = 0;
  while (index < chunk_of(size_) && has_activations(chunks_[index]))
    ++index;
  return first_position(index);
}

}  // namespace lamina

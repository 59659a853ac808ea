// Answers of a daemon, made by hand, for the tests of what shows them.
#pragma once

#include <cmath>
#include <memory>
#include <string>
#include <string_view>

#include "client/cpp/activation_array.hpp"
#include "protocol/lamina_generated.h"

namespace lamina::answers {

inline std::unique_ptr<wire::TokenT> token(std::uint32_t position,
                                           std::string_view bytes,
                                           role who = role::assistant) {
  auto made = std::make_unique<wire::TokenT>();
  made->position = position;
  made->id = 100 + position;
  made->bytes.assign(bytes.begin(), bytes.end());
  made->role = static_cast<std::uint8_t>(who);
  return made;
}

inline std::unique_ptr<wire::LensLayerT> layer(int number, float probability) {
  auto made = std::make_unique<wire::LensLayerT>();
  made->layer = static_cast<std::int16_t>(number);
  made->ids = {7, 8};
  made->texts = {" sea", "\n"};
  made->log_probabilities = {std::log(probability), std::log(0.03f)};
  made->entropy = 2.5f;
  made->kl_to_final = 1.25f;
  made->next_rated = number >= 0;
  made->next_id = 8;
  made->rank_of_next = 1;
  made->log_probability_of_next = std::log(0.03f);
  return made;
}

/// Position 5, " ship", after "The" and " big"; the embedding and layer 0.
inline wire::LensResultT lens() {
  auto at = std::make_unique<wire::LensPositionT>();
  at->token = token(5, " ship");
  at->layers.push_back(layer(-1, 0.1f));
  at->layers.push_back(layer(0, 0.8f));
  at->source = "disk";
  wire::LensResultT made;
  made.conversation = "0000000000001";
  made.positions.push_back(std::move(at));
  made.context.push_back(token(3, "The", role::user));
  made.context.push_back(token(4, " big"));
  made.took_us = 420;
  return made;
}

inline std::unique_ptr<wire::ConversationT> conversation(
    std::string id, std::int64_t created_unix_ms) {
  auto made = std::make_unique<wire::ConversationT>();
  made->id = std::move(id);
  made->model = "demo";
  made->created_unix_ms = created_unix_ms;
  made->state = "complete";
  return made;
}

/// Slots embed and resid_post.5; positions 2 and 3; width 2.
inline activation_array activations(dtype type, std::vector<std::byte> values) {
  activation_array made;
  made.conversation = "0000000000001";
  made.position_begin = 2;
  made.position_end = 4;
  made.slots = {{site::embed, 0}, {site::resid_post, 5}};
  made.width = 2;
  made.dtype = type;
  made.values = std::move(values);
  made.source = "memory";
  return made;
}

}  // namespace lamina::answers

// Tokens as several actors speak of them.
#pragma once

#include <vector>

#include "actors/messages/message.hpp"
#include "actors/store/records.hpp"
#include "protocol/error.hpp"
#include "protocol/site.hpp"

namespace lamina {

/// A token as viewers and the catalog see it.
struct placed_token {
  position_t position = 0;
  token_record token;
};

using token_ids_result = result<std::vector<token_id>>;

}  // namespace lamina

// Which conversation the words on the command line mean. Pure.
#pragma once

#include <string>
#include <string_view>

#include "protocol/error.hpp"
#include "protocol/lamina_generated.h"

namespace lamina::cli {

/// True for a whole id, which needs no list to be understood.
bool is_whole_id(std::string_view words);

/// The id that `words` mean: a whole id as it is (in its canonical form),
/// "last" for the one created last, else the only one that begins so.
/// not_found: none does; invalid_argument: several do (some are named), or
/// the words cannot begin an id.
result<std::string> choose_conversation(std::string_view words,
                                        const wire::ConversationsT& known);

}  // namespace lamina::cli

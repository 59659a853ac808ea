// Answers as text for people. Pure; the lens has its own file.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "client/cli/json_forms.hpp"
#include "client/cli/style.hpp"
#include "protocol/lamina_generated.h"

namespace lamina::cli {

std::string render_models(const wire::ModelsT& models, const style& look);

/// Newest last, so that it stands above the prompt. Times are UTC.
std::string render_conversations(const wire::ConversationsT& conversations,
                                 const style& look, std::size_t columns);

/// What it is, then its text turn by turn (what the user wrote dimmed), then
/// the ledger if the answer has one.
std::string render_conversation(const wire::ConversationT& conversation,
                                const style& look);

/// A document as indented lines "name: value".
std::string render_status(const nlohmann::ordered_json& status,
                          const style& look);

/// One dim line about a turn that ended.
std::string render_done(const turn_record& turn, const style& look);

/// "2026-01-31 23:59"
std::string utc_minute(std::int64_t unix_ms);

}  // namespace lamina::cli

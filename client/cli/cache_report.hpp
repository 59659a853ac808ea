// What `lamina cache` says, as text for people and as documents. Pure.
#pragma once

#include <string>

#include "client/cli/json_forms.hpp"
#include "client/cli/style.hpp"
#include "protocol/lamina_generated.h"

namespace lamina::cli {

/// Qualities with their errors, then damages, then one line of counts.
std::string render_verification(const wire::VerifyResultT& result,
                                const style& look);

/// One line while it runs.
std::string render_verification_progress(const wire::VerifyResultT& result);

/// Conversations, owners, models, and where the file's bytes are.
std::string render_usage(const wire::UsageT& usage, const style& look);

/// `complete` is false for one that was interrupted.
json to_json(const wire::VerifyResultT& result);
json to_json(const wire::UsageT& usage);

}  // namespace lamina::cli

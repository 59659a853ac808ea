// Answers of the daemon as the JSON documents that `--json` prints. Field
// names are a promise to scripts: they are only ever added. Pure.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "client/cpp/activation_array.hpp"
#include "protocol/error.hpp"
#include "protocol/lamina_generated.h"

namespace lamina::cli {

/// Keeps the order in which fields are written.
using json = nlohmann::ordered_json;

/// Text of a document; invalid UTF-8 is replaced.
std::string print(const json& document);

/// The same on one line, for streams of documents.
std::string print_line(const json& document);

/// {position, id, text, role, turn}; and `bytes` in hexadecimal where the
/// text is not valid UTF-8 and therefore shows U+FFFD.
json to_json(const wire::TokenT& token);

json to_json(const wire::HoldingT& holding);

json to_json(const wire::ModelsT& models);

/// Everything a generate or attach got to hear.
struct turn_record {
  wire::StartedT started;
  std::vector<wire::TokenT> tokens;
  std::string text;  // of the answer
  wire::DoneT done;
  std::optional<std::uint64_t> seed;  // of the sampling, where there was any
};
json to_json(const turn_record& turn);

/// One position's fields stand at the top, beside `context`, `took_us`; the
/// first of them when there are several, and all in `positions`.
json to_json(const wire::LensResultT& lens);

/// The answer to a range, put together: {conversation, lens, tracked,
/// positions, computed, took_us}; `lens` is null for the model's own.
json range_to_json(const wire::LensResultT& lens, const std::string& tuned);

/// {position, token, layers, source, exact}
json position_to_json(const wire::LensPositionT& at);

json to_json(const activation_array& activations, const std::string& output);

/// {hits, found, ...}; a hit has the fields of its token, and `score` only when
/// the search `ranked`.
json to_json(const wire::SearchResultT& found, bool ranked);

/// Without tokens, and with the ledger only where there is one, as in lists.
json summary(const wire::ConversationT& conversation);
json to_json(const wire::ConversationT& conversation);
json to_json(const wire::ConversationsT& conversations);

/// {"error": {code, message}}
json to_json(const error& e);

}  // namespace lamina::cli

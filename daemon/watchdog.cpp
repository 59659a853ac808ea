#include "daemon/watchdog.hpp"

#include <nlohmann/json.hpp>
#include <set>

namespace lamina {
namespace {

using nlohmann::json;

constexpr auto patience_with_actors = std::chrono::minutes(1);
constexpr auto patience_with_models = std::chrono::minutes(10);

/// Names of everything below that is {"silent": ...}.
void collect(const json& document, const std::string& at,
             std::set<std::string>& silent) {
  if (!document.is_structured()) return;
  if (document.is_object() && document.contains("silent")) {
    silent.insert(at);
    return;
  }
  for (const auto& [key, value] : document.items())
    collect(value, at + "/" + key, silent);
}

}  // namespace

std::string watchdog::silent_part(const json& status, time_point now) {
  std::set<std::string> silent;
  collect(status, "", silent);
  std::erase_if(silent_since_, [&](const auto& known) {
    return !silent.contains(known.first);
  });
  std::string longest;
  for (const auto& part : silent) {
    const auto since = silent_since_.try_emplace(part, now).first->second;
    const bool model = part.starts_with("/models/");
    if (now - since >= (model ? patience_with_models : patience_with_actors))
      longest = part;
  }
  return longest;
}

}  // namespace lamina

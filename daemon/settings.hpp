// The keys of the configuration, each described once: what its value must be,
// how it is read and shown, and whether SIGHUP applies a change. The parser,
// `lamina config show` and the test of docs/configuration.md all use these
// tables.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "daemon/configuration.hpp"
#include "daemon/yaml_value.hpp"

namespace lamina {

enum class takes_effect : bool { at_start, live };

template <class Target>
struct key_of {
  std::string key;       // "cache.memory.max_size_mb"
  std::string expected;  // in words, as refusals and the reference say it
  std::function<result<void>(const yaml_value&, Target&)> read;
  std::function<nlohmann::json(const Target&)> show;
  takes_effect when = takes_effect::at_start;
  /// Takes over the value of another configuration: for live keys.
  std::function<void(Target& to, const Target& from)> copy{};
};

using setting = key_of<configuration>;
using model_setting = key_of<configured_model>;

/// Parts of the table, each in a file of its own.
std::vector<setting> cache_settings();
std::vector<setting> hosting_settings();
std::vector<setting> peer_settings();

/// All of them, by key.
const std::vector<setting>& settings();

/// Of an entry of `models`.
const std::vector<model_setting>& model_settings();

}  // namespace lamina

// The daemon's configuration: defaults, a YAML file, the command line; the
// later wins. Everything is validated before anything starts: an unknown key,
// a wrong type or an impossible value is refused with file, line and what was
// expected.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "actors/chunks/backpressure.hpp"
#include "actors/codec/quality.hpp"
#include "protocol/error.hpp"
#include "protocol/site.hpp"

namespace lamina {

struct configured_model {
  std::string name;
  std::filesystem::path directory;
  std::optional<dtype> compute{};  // default: as the checkpoint is stored
  std::optional<quality> kept{};   // default: the cache's
  std::map<std::string, std::filesystem::path> lenses{};  // tuned, by name
};

struct configuration {
  std::string listen;  // default: a socket in the state directory
  std::filesystem::path state_directory;           // default: the user's
  std::vector<configured_model> models;            // none: the demo model
  std::vector<std::filesystem::path> model_roots;  // none: clients load nothing
                                                   // but what comes along
  std::uint64_t model_memory_bytes = 0;  // copies of weights; 0: what is free

  std::uint64_t memory_bytes_max = std::uint64_t{1} << 30;
  std::uint32_t memory_ttl_minutes = 60;           // 0: none
  std::filesystem::path disk_directory = "cache";  // below the state directory
  std::uint64_t disk_bytes_max = std::uint64_t{10} << 30;  // activations go
  std::uint32_t disk_ttl_days = 7;                         // 0: none
  std::uint64_t records_bytes_max = 0;  // tokens and lens go; 0: never
  std::uint32_t records_ttl_days = 0;
  quality kept = quality::lossless;
  bool prefetch_enabled = true;
  std::uint32_t prefetch_range = 5;  // positions
  bool restore_recomputed = true;    // store again what had to be computed
  bool recompute_on_read = false;    // a new turn leaves what is missing so
  std::uint64_t kv_bytes_max = std::uint64_t{1} << 30;
  std::uint64_t lens_backlog_bytes_max = std::uint64_t{256} << 20;
  std::uint64_t in_flight_bytes_max = std::uint64_t{256} << 20;
  backpressure when_full = backpressure::wait;
  std::uint32_t abandon_after_ms = 10'000;
  std::uint32_t drain_ms = 10'000;
  int threads = 0;  // of the model; 0: all
  std::string log_level = "info";
};

/// invalid_argument: "FILE:LINE: ...". not_found when the file is not there.
result<configuration> read_configuration(const std::filesystem::path& file);

bool is_log_level(const std::string& text);

/// "NAME=DIR" from the command line.
result<configured_model> parse_model_argument(const std::string& text);

/// $XDG_STATE_HOME/lamina, else ~/.local/state/lamina.
result<std::filesystem::path> default_state_directory();

/// The embedded demo model's directory: beside the binary's build tree, or
/// where it is installed.
result<std::filesystem::path> demo_model_directory();

}  // namespace lamina

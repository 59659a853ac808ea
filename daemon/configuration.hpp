// The daemon's configuration: defaults, a YAML file, the command line; the
// later wins. Everything is validated before anything starts: an unknown key,
// a wrong type or an impossible value is refused with file, line, what was
// expected and the nearest known key. The keys are those of settings.hpp.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "actors/chunks/backpressure.hpp"
#include "actors/codec/quality.hpp"
#include "actors/model/device/compute_device.hpp"
#include "actors/model/weight_format.hpp"
#include "protocol/error.hpp"
#include "protocol/limits.hpp"
#include "protocol/site.hpp"

namespace lamina {

struct configured_model {
  std::string name;
  std::filesystem::path directory;
  std::optional<dtype> compute{};  // default: as the checkpoint is stored
  weight_format weights = weight_format::stored;
  compute_device device{};        // where it computes
  std::optional<quality> kept{};  // default: the cache's
  std::map<std::string, std::filesystem::path> lenses{};  // tuned, by name
};

struct configuration {
  std::filesystem::path file;       // where it was read; empty: nowhere
  std::vector<std::string> listen;  // default: a socket in the state directory
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
  std::uint64_t kv_running_bytes_max = 0;  // 0: a quarter of what is free
  std::uint32_t sequences_max = 128;       // of a model, at once
  std::uint64_t lens_backlog_bytes_max = std::uint64_t{256} << 20;
  std::uint64_t in_flight_bytes_max = std::uint64_t{256} << 20;
  backpressure when_full = backpressure::wait;
  std::uint32_t abandon_after_ms = 10'000;
  std::uint32_t drain_ms = 10'000;
  int threads = 0;  // of the model; 0: all
  std::string log_level = "info";
  std::map<std::string, std::string> log_levels;  // by part
  std::string metrics;  // an address of their own; empty: none

  std::uint32_t socket_mode = 0600;  // of a Unix socket that we make
  bool allow_plain_tcp = false;      // beyond this machine, without TLS
  std::filesystem::path tls_certificate;
  std::filesystem::path tls_key;
  std::filesystem::path tokens_file;  // default: in the state directory
  std::uint32_t connections_max = limits::connections_max;
  std::uint32_t tcp_connections_max = 192;
  std::uint32_t connections_per_address_max = 64;
  std::uint32_t handshake_seconds = limits::handshake_ms_max / 1000;
  std::uint32_t frame_seconds = 60;     // over TCP; 0: as long as it takes
  std::uint32_t idle_minutes = 30;      // likewise
  std::uint32_t stalled_seconds = 300;  // likewise
  std::uint64_t owner_conversations_max = 0;  // 0: no limit
  std::uint64_t owner_tokens_max = 0;
  std::uint32_t owner_turns_max = 0;

  /// Where each value came from that is not a default: "FILE:LINE", or an
  /// option of the command line.
  std::map<std::string, std::string> sources;
};

/// invalid_argument: "FILE:LINE: ...". not_found when the file is not there.
result<configuration> read_configuration(const std::filesystem::path& file);

/// What the command line says; empty: nothing.
struct configuration_options {
  std::string config;
  std::string state_directory;
  std::vector<std::string> listen;
  std::vector<std::string> models;  // "NAME=DIRECTORY"
  std::string log_level;
};

/// The file, the command line over it, and what is left to the machine (state
/// directory, socket, demo model) filled in; then checked as a whole.
result<configuration> configure(const configuration_options& given);

/// Every key with its value, where that came from, and whether SIGHUP applies
/// a change of it: a JSON document, {"file":..., "settings": [{"key", "value",
/// "source", "live"}]}. `source` is "default" where nobody said anything.
std::string describe(const configuration& c);

/// `running`, with what SIGHUP may change taken from `read`. `ignored` gets the
/// keys whose new values need a restart.
configuration reconfigured(const configuration& running,
                           const configuration& read,
                           std::vector<std::string>& ignored);

/// What no key can be wrong in alone: whether all of them together can be used.
result<void> check_whole(const configuration& c);

bool is_log_level(const std::string& text);

/// $XDG_STATE_HOME/lamina, else ~/.local/state/lamina.
result<std::filesystem::path> default_state_directory();

/// The demo model's directory: beside this program where it is installed, else
/// in the source tree.
result<std::filesystem::path> demo_model_directory();

}  // namespace lamina

// Messages about which models the daemon runs: loading, unloading, planning.
// As in messages.hpp.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "actors/messages.hpp"
#include "actors/model/model_plan.hpp"

namespace lamina {

/// What holds for every model that is loaded.
struct hosting_policy {
  std::vector<std::filesystem::path> roots;  // that clients may load from
  std::uint64_t memory_bytes =
      0;  // copies of weights may take; 0: what is free
};

/// Loads a model besides those there are. The reply comes when it is up: the
/// view that has it. already_exists; forbidden; and why it was refused.
struct load_model {
  std::string name;
  std::filesystem::path directory;
  std::optional<dtype> compute;  // none: as stored
  std::optional<quality> kept;   // none: as the daemon is configured
};
using model_hosted = result<view_ptr>;

/// Ends the model's turns in order and frees it. The reply comes when its actor
/// is gone. not_found.
struct unload_model {
  std::string name;
};

/// To the model's actor: its sequences end as `unloaded`, then it does.
struct retire_model {};

/// What loading this directory would take.
struct plan_directory {
  model_options options;
  std::vector<std::filesystem::path> roots;
};
using directory_planned = result<model_plan>;

}  // namespace lamina

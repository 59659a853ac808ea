// Messages about which models the daemon runs: loading, unloading, planning.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "actors/codec/quality.hpp"
#include "actors/interfaces.hpp"
#include "actors/messages/message.hpp"
#include "actors/model/model_plan.hpp"

namespace lamina {

/// Loads a model besides those there are. The reply comes when it is up: the
/// view that has it. already_exists; forbidden; and why it was refused.
struct load_model {
  std::string name;
  std::filesystem::path directory;
  std::optional<dtype> compute;  // none: as stored
  std::optional<quality> kept;   // none: as the daemon is configured
  weight_format weights = weight_format::stored;
  compute_device device;
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

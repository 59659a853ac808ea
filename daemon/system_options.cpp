#include "daemon/system_options.hpp"

#include <algorithm>
#include <thread>

#include "daemon/environment.hpp"

namespace lamina {
namespace {

retention_limits retention_of(const configuration& c) {
  constexpr std::int64_t day_ms = 24 * 3600 * 1000;
  retention_limits limits;
  limits.disk_bytes_max = c.disk_bytes_max;
  limits.values_ttl_ms = c.disk_ttl_days * day_ms;
  limits.records_bytes_max = c.records_bytes_max;
  limits.records_ttl_ms = c.records_ttl_days * day_ms;
  return limits;
}

/// What comes along may always be loaded.
hosting_policy hosting_of(const configuration& c) {
  hosting_policy policy{c.model_roots, c.model_memory_bytes};
  if (auto demo = demo_model_directory()) policy.roots.push_back(demo.value());
  return policy;
}

model_actor_options model_defaults_of(const configuration& c) {
  model_actor_options o;
  o.model.fingerprints = c.state_directory / "fingerprints";
  o.engine.kv_budget_bytes = c.kv_bytes_max;
  o.engine.kv_running_bytes_max = c.kv_running_bytes_max;
  o.engine.max_sequences = c.sequences_max;
  o.in_flight_bytes_max = c.in_flight_bytes_max;
  o.threads = c.threads;
  o.when_full = c.when_full;
  o.kept = c.kept;
  return o;
}

model_actor_options model_options_of(const configuration& c,
                                     const system_options& o,
                                     const configured_model& m) {
  model_actor_options options = o.model_defaults;
  options.model.name = m.name;
  options.model.directory = m.directory;
  options.model.compute = m.compute;
  options.model.weights = m.weights;
  options.model.device = m.device;
  if (!c.model_roots.empty()) options.roots = o.hosting.roots;
  options.kept = m.kept.value_or(c.kept);
  options.lenses = m.lenses;
  return options;
}

}  // namespace

tunables tunables_of(const configuration& c) {
  tunables t;
  t.memory_bytes_max = c.memory_bytes_max;
  t.memory_ttl = std::chrono::minutes(c.memory_ttl_minutes);
  t.retention = retention_of(c);
  t.prefetch_enabled = c.prefetch_enabled;
  t.prefetch_range = c.prefetch_range;
  t.restore_recomputed = c.restore_recomputed;
  t.recompute_on_read = c.recompute_on_read;
  t.abandon_after = std::chrono::milliseconds(c.abandon_after_ms);
  t.quota = {c.owner_conversations_max, c.owner_tokens_max, c.owner_turns_max};
  return t;
}

system_options system_options_of(const configuration& c,
                                 std::uint64_t fault_after_steps,
                                 std::shared_ptr<store> environment) {
  system_options o;
  o.environment = std::move(environment);
  o.configuration = std::make_shared<const std::string>(describe(c));
  apply(tunables_of(c), o);
  o.lens_backlog.backlog_bytes_max = c.lens_backlog_bytes_max;
  const auto cores = std::max(1u, std::thread::hardware_concurrency());
  o.codecs = std::clamp(cores / 4, 1u, 8u);
  o.decoders = std::clamp(cores / 2, 2u, 8u);
  o.blas = loaded_blas();
  o.hosting = hosting_of(c);
  o.model_defaults = model_defaults_of(c);
  for (const auto& m : c.models) {
    o.models.push_back(model_options_of(c, o, m));
    o.models.back().fault_after_steps = fault_after_steps;
  }
  return o;
}

}  // namespace lamina

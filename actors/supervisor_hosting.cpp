// The supervisor's models: those it begins with, and those that clients load
// and unload while it runs.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <caf/all.hpp>
#include <utility>

#include "actors/spawn.hpp"
#include "actors/supervisor.hpp"

namespace lamina {
namespace {

constexpr std::size_t model_name_bytes_max = 64;

// It appears in file names of exports, on command lines and in logs.
result<void> check_name(const std::string& name) {
  const auto harmless = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  };
  if (name.empty() || name.size() > model_name_bytes_max ||
      !std::ranges::all_of(name, harmless))
    return fail(error_code::invalid_argument,
                "a model's name has 1 to " +
                    std::to_string(model_name_bytes_max) +
                    " letters, digits, '-', '_' and '.'");
  return success();
}

}  // namespace

std::optional<std::uint64_t> memory_left(const system_view& view) {
  if (view.hosting.memory_bytes == 0) return std::nullopt;
  std::uint64_t taken = 0;
  for (const auto& [name, hosted] : view.models)
    if (hosted.model) taken += hosted.model->description().copied_bytes;
  return view.hosting.memory_bytes - std::min(view.hosting.memory_bytes, taken);
}

void supervisor_state::add_model(const model_actor_options& model) {
  auto& added = next->models[model.model.name];
  added.health = "loading";
  added.kept = model.kept;
  added.lenses = model.lenses;
  added.when_full = model.when_full;
  added.in_flight_bytes_max = model.in_flight_bytes_max;
  part fresh;
  fresh.name = "model " + model.model.name;
  fresh.model = model.model.name;
  fresh.start = [this, given = model](system_view& v) mutable {
    auto& hosted = v.models[given.model.name];
    given.model.memory_bytes = memory_left(v);
    newest_actor latest;
    given.model.stop = latest.interrupt.get_token();
    // A restart keeps the weights.
    latest.actor = spawn_model(self->system(), given, hosted.model,
                               supervisor_actor(self));
    given.fault_after_steps = 0;  // injected once
    hosted.actor = nullptr;       // until it says that it is loaded
    const auto address = caf::actor_cast<caf::actor_addr>(latest.actor);
    newest[given.model.name] = std::move(latest);
    return address;
  };
  // Parts keep their places, for restarts name them: a model that went leaves
  // its own to the next.
  const auto gone =
      std::ranges::find_if(parts, [](const part& p) { return p.gone; });
  if (gone == parts.end())
    parts.push_back(std::move(fresh));
  else
    *gone = std::move(fresh);
}

supervisor_state::part* supervisor_state::part_of_model(
    const std::string& model) {
  for (auto& p : parts)
    if (!p.gone && p.model == model) return &p;
  return nullptr;
}

caf::result<model_hosted> supervisor_state::load(const load_model& m) {
  if (auto good = check_name(m.name); !good)
    return failed_with<view_ptr>(good.error());
  if (stopping)
    return failed_with<view_ptr>(
        {error_code::unavailable, "the daemon is shutting down"});
  if (options.hosting.roots.empty())
    return failed_with<view_ptr>(
        {error_code::forbidden,
         "no directories are configured that models may be read from"});
  if (part* known = part_of_model(m.name)) {
    if (!known->refused)
      return failed_with<view_ptr>(
          {error_code::already_exists,
           "a model is loaded as '" + m.name + "': unload it first"});
    forget_model(*known);
  }
  model_actor_options given = options.model_defaults;
  given.model.name = m.name;
  given.model.directory = m.directory;
  given.model.compute = m.compute;
  given.model.weights = m.weights;
  given.model.device = m.device;
  given.roots = options.hosting.roots;
  if (m.kept) given.kept = *m.kept;
  add_model(given);
  start(static_cast<std::size_t>(part_of_model(m.name) - parts.data()));
  publish();
  auto promise = self->make_response_promise<load_promise>();
  loads.emplace(m.name, promise);
  return promise;
}

caf::result<acknowledgement> supervisor_state::unload(const unload_model& m) {
  part* known = part_of_model(m.name);
  if (known == nullptr || known->retiring)
    return failed_with<acknowledged>(
        {error_code::not_found, "no model '" + m.name + "'"});
  // New turns find it gone; those that run are told by its actor.
  next->models.erase(m.name);
  auto latest = std::exchange(newest[m.name], {});
  newest.erase(m.name);
  publish();
  if (known->health != "up") {
    // A dead one waits to be started again, or said that it cannot run.
    forget_model(*known);
    return acknowledgement(acknowledged{});
  }
  spdlog::info("supervisor: unloading model '{}'", m.name);
  known->retiring = true;
  known->health = "unloading";
  latest.interrupt.request_stop();
  self->send(latest.actor, retire_model{});
  auto promise = self->make_response_promise<unload_promise>();
  unloads.emplace(m.name, promise);
  answer_load(m.name,
              failed_with<view_ptr>({error_code::cancelled,
                                     "model '" + m.name + "' was unloaded"}));
  return promise;
}

void supervisor_state::forget_model(part& known) {
  next->models.erase(known.model);
  newest.erase(known.model);
  known = part{};
  known.gone = true;
}

void supervisor_state::answer_load(const std::string& model,
                                   const model_hosted& answer) {
  auto waiting = loads.extract(model);
  if (waiting) waiting.mapped().deliver(answer);
}

void supervisor_state::retired(part& p) {
  auto waiting = unloads.extract(p.model);
  spdlog::info("supervisor: model '{}' is unloaded", p.model);
  forget_model(p);
  publish();
  if (waiting) waiting.mapped().deliver(acknowledgement(acknowledged{}));
}

void supervisor_state::model_is(const std::string& model, model_ptr loaded,
                                const std::string& health) {
  const part* known = part_of_model(model);
  if (known == nullptr || known->retiring) return;  // unloaded meanwhile
  auto& hosted = next->models[model];
  hosted.health = health;
  if (loaded) {
    hosted.model = std::move(loaded);
    hosted.actor = newest[model].actor;
  }
  publish();
}

void supervisor_state::model_came_up(const model_loaded& m) {
  const auto& d = m.model->description();
  spdlog::info(
      "supervisor: model '{}' is ready on {}: {}, {} parameters, {} bytes of "
      "files, of the weights {} bytes copied into memory",
      m.name, to_string(d.device), d.architecture, d.parameters, d.weight_bytes,
      d.copied_bytes);
  model_is(m.name, m.model, "up");
  answer_load(m.name, model_hosted(view));
}

void supervisor_state::model_was_refused(const model_refused& m) {
  spdlog::error("supervisor: model '{}' refused: {}", m.name,
                to_string(m.reason));
  part* known = part_of_model(m.name);
  if (known == nullptr) return;
  known->refused = true;
  model_is(m.name, nullptr, to_string(m.reason));
  // Who asked for it has the answer; nobody else needs to see it.
  if (!loads.contains(m.name)) return;
  forget_model(*known);
  publish();
  answer_load(m.name, failed_with<view_ptr>(m.reason));
}

}  // namespace lamina

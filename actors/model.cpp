#include "actors/model.hpp"

#include <omp.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <caf/all.hpp>
#include <exception>
#include <stdexcept>
#include <utility>

#include "actors/messages/hosting.hpp"
#include "actors/model/allowed_directory.hpp"
#include "actors/model/machine_memory.hpp"

namespace lamina {

model_state::~model_state() {
  for (auto& [id, s] : sequences)
    caf::anon_send(
        s.sink, sequence_failed{id, {error_code::unavailable, dies_because}});
}

void model_state::arm() {
  if (armed || runner->idle()) return;
  armed = true;
  self->send(self, step_due{});
}

sequence_begun model_state::begin(const begin_sequence& m) {
  if (retiring)
    return fail(error_code::unavailable,
                "model '" + options.model.name + "' is being unloaded");
  BOOST_OUTCOME_TRY(id, runner->add(*m.request));
  sequence added{m.sink};
  added.waits = m.when_full == backpressure::wait;
  sequences.emplace(id, std::move(added));
  if (!idle_since) idle_since = clock::now();
  self->monitor(m.sink);
  arm();
  return sequence_admitted{id, runner->captured_from(id)};
}

/// Nobody wants the rest of a sequence whose sink is gone.
void model_state::sink_down(const caf::actor_addr& who) {
  for (const auto& [id, s] : sequences)
    if (s.sink.address() == who) cancel(id);
}

void model_state::cancel(sequence_id id) {
  runner->cancel(id);
  runner->pause(id, false);  // a paused sequence ends too
  arm();
}

void model_state::retire() {
  retiring = true;
  for (const auto& [id, s] : sequences) {
    runner->cancel(id, finish_reason::unloaded);
    runner->pause(id, false);
  }
  arm();
  end_when_retired();
}

void model_state::end_when_retired() {
  if (retiring && sequences.empty()) self->quit();
}

void model_state::step() {
  if (fault) throw std::runtime_error(*std::exchange(fault, std::nullopt));
  if (options.fault_after_steps != 0 &&
      runner->stats().steps >= options.fault_after_steps)
    throw std::runtime_error("injected by --inject-fault");
  for (auto& progress : runner->step())
    deliver(std::move(progress));
}

void model_state::deliver(sequence_progress progress) {
  auto it = sequences.find(progress.sequence);
  if (it == sequences.end()) return;
  auto& s = it->second;
  for (const auto& rows : progress.rows) {
    if (rows.chunk.get() == s.newest || rows.begin != 0) continue;
    s.newest = rows.chunk.get();
    s.chunk_bytes = rows.chunk->bytes();
    s.in_flight_bytes += rows.chunk->bytes();
  }
  // The open chunk must be able to fill, or no credit would ever come.
  bool over = s.in_flight_bytes > options.in_flight_bytes_max &&
              s.in_flight_bytes > s.chunk_bytes;
  if (over && s.waits && !s.paused && !progress.finished && !progress.failed) {
    s.paused = true;
    runner->pause(progress.sequence, true);
  }
  bool finished = progress.finished.has_value();
  auto failed = progress.failed;
  self->send(s.sink,
             sequence_advanced{std::make_shared<const sequence_progress>(
                 std::move(progress))});
  if (failed) self->send(s.sink, sequence_failed{it->first, *failed});
  if (finished || failed) sequences.erase(it);
}

void model_state::credit(sequence_id id, std::uint64_t bytes) {
  auto it = sequences.find(id);
  if (it == sequences.end()) return;
  auto& s = it->second;
  s.in_flight_bytes -= std::min(s.in_flight_bytes, bytes);
  // Half the budget must be free, so that a sequence does not stutter.
  if (s.paused && s.in_flight_bytes <= std::max(options.in_flight_bytes_max / 2,
                                                s.chunk_bytes)) {
    s.paused = false;
    runner->pause(id, false);
    arm();
  }
}

void model_state::timed_step() {
  const auto begin = clock::now();
  waiting_seconds = waiting();
  idle_since.reset();
  step();
  const auto end = clock::now();
  step_seconds += std::chrono::duration<double>(end - begin).count();
  if (!sequences.empty()) idle_since = end;
}

double model_state::waiting() const {
  if (!idle_since) return waiting_seconds;
  const std::chrono::duration<double> since = clock::now() - *idle_since;
  return waiting_seconds + since.count();
}

model_status model_state::status() const {
  model_status result{runner->stats(), 0, 0, step_seconds, waiting()};
  for (const auto& [id, s] : sequences) {
    result.in_flight_bytes += s.in_flight_bytes;
    result.paused += s.paused;
  }
  return result;
}

namespace {

/// Where the operator gave an allow-list, the directory must be under it.
result<model_ptr> load_allowed(const model_actor_options& given) {
  if (given.roots.empty()) return model::load(given.model);
  model_options allowed = given.model;
  BOOST_OUTCOME_TRY(real, allowed_directory(allowed.directory, given.roots));
  allowed.directory = real;
  return model::load(allowed);
}

}  // namespace

model_self::behavior_type model_runner(model_state::pointer self,
                                       model_actor_options options,
                                       model_ptr loaded,
                                       supervisor_actor supervisor) {
  self->set_exception_handler([self](std::exception_ptr& raised) -> caf::error {
    try {
      std::rethrow_exception(raised);
    } catch (const std::exception& e) {
      self->state.dies_because = std::string("the model failed: ") + e.what();
    }
    return caf::make_error(caf::sec::runtime_error, self->state.dies_because);
  });
  auto& state = self->state;
  if (options.threads > 0) omp_set_num_threads(options.threads);
  if (!loaded) {
    auto opened = load_allowed(options);
    if (!opened) {
      self->send(supervisor, model_refused{options.model.name, opened.error()});
      self->quit();
      return model_self::behavior_type::make_empty_behavior();
    }
    loaded = opened.value();
  }
  self->set_down_handler([self](const caf::down_msg& down) {
    self->state.sink_down(down.source);
  });
  state.options = std::move(options);
  // What is free is known when the weights have taken their part. A device's
  // caches lie in a pool of its own.
  auto& kv_bytes_max = state.options.engine.kv_running_bytes_max;
  if (kv_bytes_max == 0 &&
      loaded->description().device.kind == device_kind::cpu)
    kv_bytes_max = available_memory_bytes() / 4;
  state.runner = engine::create(loaded, state.options.engine);
  self->send(supervisor, model_loaded{state.options.model.name, loaded});
  return {
      [self](const begin_sequence& m) { return self->state.begin(m); },
      [self](const cancel_sequence& m) { self->state.cancel(m.sequence); },
      [self](const return_credit& m) {
        self->state.credit(m.sequence, m.bytes);
      },
      [self](const forget_conversation& m) {
        self->state.runner->forget(m.id);
      },
      [self](const retire_model&) { self->state.retire(); },
      [self](const inject_model_fault& m) { self->state.fault = m.message; },
      [self](const get_model_status&) { return self->state.status(); },
      [self](const step_due&) {
        self->state.armed = false;
        self->state.timed_step();
        self->state.arm();
        self->state.end_when_retired();
      },
  };
}

}  // namespace lamina

#include "actors/spawn.hpp"

#include <sched.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <caf/all.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

#include "actors/auditor.hpp"
#include "actors/book_learner.hpp"
#include "actors/codec.hpp"
#include "actors/meter.hpp"
#include "actors/planner.hpp"
#include "actors/reader.hpp"
#include "actors/recorder.hpp"
#include "actors/search.hpp"
#include "actors/shard.hpp"
#include "actors/tokenizer.hpp"
#include "protocol/limits.hpp"

namespace lamina {
namespace {

spawn_policy current_policy;

constexpr int nice_behind = 10;

/// A thread of its own where it computes or blocks; CAF's scheduler in tests.
template <class Behavior, class... Args>
auto spawn_heavy(caf::actor_system& sys, Behavior behavior, Args&&... args) {
  if (current_policy.detach)
    return sys.spawn<caf::detached>(behavior, std::forward<Args>(args)...);
  return sys.spawn(behavior, std::forward<Args>(args)...);
}

/// Nobody waits for the backlog: it runs when a core would idle.
void run_when_idle() {
  if (!current_policy.detach) return;
  sched_param param{};
  if (sched_setscheduler(0, SCHED_IDLE, &param) != 0)
    spdlog::warn("SCHED_IDLE refused: {}", std::strerror(errno));
}

/// Compression, searches and audits yield to the model, not to idleness. On
/// Linux a nice value belongs to the thread.
void run_behind(int niceness) {
  if (!current_policy.detach) return;
  auto thread = static_cast<id_t>(syscall(SYS_gettid));
  if (setpriority(PRIO_PROCESS, thread, niceness) != 0)
    spdlog::warn("nice refused: {}", std::strerror(errno));
}

book_learner_actor::behavior_type book_learner_behind(
    book_learner_state::pointer self, view_ptr view) {
  run_behind(nice_behind);
  return book_learner(self, std::move(view));
}

meter_actor::behavior_type meter_when_idle(meter_state::pointer self) {
  run_when_idle();
  return meter(self);
}

codec_actor::behavior_type codec_behind(codec_state::pointer self,
                                        int niceness) {
  run_behind(niceness);
  return codec(self);
}

search_actor::behavior_type search_behind(search_state::pointer self,
                                          std::shared_ptr<store> environment,
                                          search_options options) {
  run_behind(nice_behind);
  return search(self, std::move(environment), options);
}

auditor_actor::behavior_type auditor_behind(auditor_state::pointer self,
                                            std::shared_ptr<store> environment,
                                            audit_options options) {
  run_behind(nice_behind);
  return auditor(self, std::move(environment), options);
}

lens_self::behavior_type lens_when_idle(lens_state::pointer self,
                                        lens_options options) {
  run_when_idle();
  return lens(self, options);
}

}  // namespace

void set_spawn_policy(spawn_policy policy) {
  current_policy = policy;
}

disk_actor spawn_disk(caf::actor_system& sys, const system_options& o) {
  return spawn_heavy(sys, disk, o.environment, o.disk);
}

reader_actor spawn_reader(caf::actor_system& sys, const system_options& o) {
  return spawn_heavy(sys, reader, o.environment);
}

codec_actor spawn_codec(caf::actor_system& sys) {
  return spawn_heavy(sys, codec_behind, nice_behind);
}

codec_actor spawn_decoder(caf::actor_system& sys) {
  return spawn_heavy(sys, codec);
}

book_learner_actor spawn_book_learner(caf::actor_system& sys, view_ptr view) {
  return spawn_heavy(sys, book_learner_behind, std::move(view));
}

meter_actor spawn_meter(caf::actor_system& sys) {
  return spawn_heavy(sys, meter_when_idle);
}

lens_actor spawn_lens_clicks(caf::actor_system& sys, const system_options& o) {
  return spawn_heavy(sys, lens, o.lens_clicks);
}

lens_actor spawn_lens_backlog(caf::actor_system& sys, const system_options& o) {
  return spawn_heavy(sys, lens_when_idle, o.lens_backlog);
}

tokenizer_actor spawn_tokenizer(caf::actor_system& sys) {
  return spawn_heavy(sys, prompt_tokenizer, limits::control_bytes_max);
}

model_actor spawn_model(caf::actor_system& sys, const model_actor_options& o,
                        model_ptr loaded, supervisor_actor supervisor) {
  return spawn_heavy(sys, model_runner, o, std::move(loaded),
                     std::move(supervisor));
}

planner_actor spawn_planner(caf::actor_system& sys) {
  return spawn_heavy(sys, planner);
}

shard_actor spawn_shard(caf::actor_system& sys, const system_options& o,
                        view_ptr view) {
  return sys.spawn(shard,
                   shard_options{o.memory_bytes_max / o.shards, o.memory_ttl},
                   std::move(view));
}

catalog_actor spawn_catalog(caf::actor_system& sys, const system_options& o,
                            view_ptr view) {
  return sys.spawn(catalog, o.catalog, std::move(view));
}

prefetch_actor spawn_prefetch(caf::actor_system& sys, const system_options& o,
                              view_ptr view) {
  return sys.spawn(prefetch, o.prefetch, std::move(view));
}

restorer_actor spawn_restorer(caf::actor_system& sys, const system_options& o,
                              view_ptr view) {
  return sys.spawn(restorer, o.restorer, std::move(view));
}

search_actor spawn_search(caf::actor_system& sys, const system_options& o) {
  return spawn_heavy(sys, search_behind, o.environment, o.search);
}

auditor_actor spawn_auditor(caf::actor_system& sys, const system_options& o) {
  return spawn_heavy(sys, auditor_behind, o.environment, o.audit);
}

recorder_actor spawn_recorder(caf::actor_system& sys) {
  return sys.spawn(recorder);
}

supervisor_actor spawn_supervisor(caf::actor_system& sys,
                                  system_options options,
                                  restart_policy policy) {
  return sys.spawn(supervisor, std::move(options), policy);
}

session_actor spawn_session(caf::actor_system& sys, principal who,
                            std::shared_ptr<outbox> out) {
  return sys.spawn(session, std::move(who), std::move(out));
}

}  // namespace lamina

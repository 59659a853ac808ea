// How each actor runs: the one place that decides who has a thread of its own.
// Tests set `detach` to false and drive everything by hand.
#pragma once

#include <caf/actor_system.hpp>

#include "actors/session.hpp"
#include "actors/supervisor.hpp"

namespace lamina {

struct spawn_policy {
  bool detach = true;
};

/// Set once before the first actor is spawned.
void set_spawn_policy(spawn_policy policy);

disk_actor spawn_disk(caf::actor_system& sys, const system_options& options);
reader_actor spawn_reader(caf::actor_system& sys,
                          const system_options& options);
codec_actor spawn_codec(caf::actor_system& sys);
codec_actor spawn_decoder(caf::actor_system& sys);
recorder_actor spawn_recorder(caf::actor_system& sys);
book_learner_actor spawn_book_learner(caf::actor_system& sys, view_ptr view);
meter_actor spawn_meter(caf::actor_system& sys);
lens_actor spawn_lens_clicks(caf::actor_system& sys,
                             const system_options& options);
lens_actor spawn_lens_backlog(caf::actor_system& sys,
                              const system_options& options);
tokenizer_actor spawn_tokenizer(caf::actor_system& sys);
model_actor spawn_model(caf::actor_system& sys,
                        const model_actor_options& options, model_ptr loaded,
                        supervisor_actor supervisor);
planner_actor spawn_planner(caf::actor_system& sys);
shard_actor spawn_shard(caf::actor_system& sys, const system_options& options,
                        view_ptr view);
catalog_actor spawn_catalog(caf::actor_system& sys,
                            const system_options& options, view_ptr view);
prefetch_actor spawn_prefetch(caf::actor_system& sys,
                              const system_options& options, view_ptr view);
search_actor spawn_search(caf::actor_system& sys,
                          const system_options& options);
auditor_actor spawn_auditor(caf::actor_system& sys,
                            const system_options& options);
restorer_actor spawn_restorer(caf::actor_system& sys,
                              const system_options& options, view_ptr view);
supervisor_actor spawn_supervisor(caf::actor_system& sys,
                                  system_options options,
                                  restart_policy policy = {});
session_actor spawn_session(caf::actor_system& sys, principal who,
                            std::shared_ptr<outbox> out);

}  // namespace lamina

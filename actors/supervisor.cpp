#include "actors/supervisor.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <caf/all.hpp>
#include <utility>

#include "actors/book_learner.hpp"
#include "actors/messages/book_learner.hpp"
#include "actors/messages/catalog.hpp"
#include "actors/messages/codec.hpp"
#include "actors/messages/disk.hpp"
#include "actors/messages/import.hpp"
#include "actors/messages/model.hpp"
#include "actors/messages/reader.hpp"
#include "actors/messages/session.hpp"
#include "actors/messages/shard.hpp"
#include "actors/spawn.hpp"
#include "actors/status.hpp"

namespace lamina {
namespace {

template <class Handle>
caf::actor_addr address_of(const Handle& handle) {
  return caf::actor_cast<caf::actor_addr>(handle);
}

}  // namespace

void supervisor_state::add(std::string part_name,
                           std::function<caf::actor_addr(system_view&)> start) {
  part added;
  added.name = std::move(part_name);
  added.start = std::move(start);
  parts.push_back(std::move(added));
}

void supervisor_state::add_storage() {
  auto& sys = self->system();
  add("disk", [&](system_view& v) {
    v.disk = spawn_disk(sys, options);
    return address_of(v.disk);
  });
  next->readers.resize(options.readers);
  for (std::uint32_t i = 0; i < options.readers; ++i)
    add("reader " + std::to_string(i), [&, i](system_view& v) {
      v.readers[i] = spawn_reader(sys, options);
      return address_of(v.readers[i]);
    });
  add("search", [&](system_view& v) {
    v.search = spawn_search(sys, options);
    return address_of(v.search);
  });
  add("auditor", [&](system_view& v) {
    v.auditor = spawn_auditor(sys, options);
    return address_of(v.auditor);
  });
  next->shards.resize(options.shards);
  for (std::uint32_t i = 0; i < options.shards; ++i)
    add("shard " + std::to_string(i), [&, i](system_view& v) {
      v.shards[i] =
          spawn_shard(sys, options, std::make_shared<const system_view>(v));
      return address_of(v.shards[i]);
    });
  // The catalog reads the disk at once, so it gets the view as it is now.
  add("catalog", [&](system_view& v) {
    v.catalog =
        spawn_catalog(sys, options, std::make_shared<const system_view>(v));
    return address_of(v.catalog);
  });
  add("recorder", [&](system_view& v) {
    v.recorder = spawn_recorder(sys);
    return address_of(v.recorder);
  });
  add("prefetch", [&](system_view& v) {
    v.prefetch =
        spawn_prefetch(sys, options, std::make_shared<const system_view>(v));
    return address_of(v.prefetch);
  });
  add("restorer", [&](system_view& v) {
    v.restorer =
        spawn_restorer(sys, options, std::make_shared<const system_view>(v));
    return address_of(v.restorer);
  });
}

void supervisor_state::add_computation() {
  auto& sys = self->system();
  next->codecs.resize(options.codecs);
  for (std::uint32_t i = 0; i < options.codecs; ++i)
    add("codec " + std::to_string(i), [&, i](system_view& v) {
      v.codecs[i] = spawn_codec(sys);
      return address_of(v.codecs[i]);
    });
  next->decoders.resize(options.decoders);
  for (std::uint32_t i = 0; i < options.decoders; ++i)
    add("decoder " + std::to_string(i), [&, i](system_view& v) {
      v.decoders[i] = spawn_decoder(sys);
      return address_of(v.decoders[i]);
    });
  add("book learner", [&](system_view& v) {
    v.book_learner =
        spawn_book_learner(sys, std::make_shared<const system_view>(v));
    return address_of(v.book_learner);
  });
  add("lens clicks", [&](system_view& v) {
    v.lens_clicks = spawn_lens_clicks(sys, options);
    return address_of(v.lens_clicks);
  });
  add("lens backlog", [&](system_view& v) {
    v.lens_backlog = spawn_lens_backlog(sys, options);
    return address_of(v.lens_backlog);
  });
  add("tokenizer", [&](system_view& v) {
    v.tokenizer = spawn_tokenizer(sys);
    return address_of(v.tokenizer);
  });
  for (const auto& model : options.models)
    add_model(model);
}

void supervisor_state::start(std::size_t index) {
  auto& p = parts[index];
  p.address = p.start(*next);
  p.health = "up";
  self->monitor(p.address);
}

void supervisor_state::publish() {
  view = std::make_shared<const system_view>(*next);
  self->send(view->disk, view_changed{view});
  self->send(view->catalog, view_changed{view});
  self->send(view->prefetch, view_changed{view});
  self->send(view->restorer, view_changed{view});
  self->send(view->book_learner, view_changed{view});
  for (const auto& shard : view->shards)
    self->send(shard, view_changed{view});
  for (const auto& session : sessions)
    self->send(session, view_changed{view});
}

void supervisor_state::part_down(const caf::down_msg& down) {
  std::erase_if(sessions, [&](const session_actor& s) {
    return s.address() == down.source;
  });
  if (stopping) return;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    auto& p = parts[i];
    if (p.gone || p.address != down.source) continue;
    if (p.retiring) return retired(p);
    auto now = clock::now();
    p.deaths = now - p.last_death > policy.calm ? 1 : p.deaths + 1;
    p.last_death = now;
    ++p.deaths_total;
    p.health = "down: " + to_string(down.reason);
    if (auto it = next->models.find(p.model); it != next->models.end()) {
      it->second.actor = nullptr;
      if (!p.refused) it->second.health = p.health;
      publish();
    }
    answer_load(p.model,
                failed_with<view_ptr>({error_code::unavailable, p.health}));
    if (p.refused) return;  // trying again would not help
    if (p.deaths > policy.deaths_max) {
      spdlog::critical(
          "supervisor: {} died {} times in a row and stays down: {}", p.name,
          p.deaths, p.health);
      return;
    }
    auto delay = std::min(policy.longest_delay,
                          policy.first_delay * (1 << (p.deaths - 1)));
    spdlog::error("supervisor: {} is {}; starting it again in {} ms", p.name,
                  p.health, delay.count());
    self->delayed_send(self, delay, restart_due{i});
    return;
  }
}

void supervisor_state::reload(const reconfigure& m) {
  apply(m.tuned, options);
  next->tuned = m.tuned;
  next->configuration = m.configuration;
  next->budgets.disk_bytes = m.tuned.retention.disk_bytes_max;
  next->budgets.memory_bytes = m.tuned.memory_bytes_max;
  publish();
}

caf::result<acknowledgement> supervisor_state::drain(const drain_system& m) {
  using promise_type = caf::typed_response_promise<acknowledgement>;
  auto promise = self->make_response_promise<promise_type>();
  const auto deadline = std::chrono::milliseconds(m.deadline_ms);
  const auto ends = clock::now() + deadline;
  auto flush = [this, promise, ends]() mutable {
    // What the turns left of the time; a disk that answers needs little.
    const auto left =
        std::max<clock::duration>(ends - clock::now(), std::chrono::seconds(1));
    self->request(view->disk, left, flush_disk{})
        .then(
            [this, promise](const result<ops_written>& flushed) mutable {
              stop_all();
              promise.deliver(flushed
                                  ? acknowledgement(acknowledged{})
                                  : failed_with<acknowledged>(flushed.error()));
            },
            [this, promise](const caf::error& e) mutable {
              stop_all();
              promise.deliver(acknowledgement(
                  fail(error_code::unavailable,
                       "the disk did not flush: " + caf::to_string(e))));
            });
  };
  self->request(view->catalog, deadline * 3 / 4, drain_turns{m.deadline_ms / 2})
      .then([flush](const turns_drained&) mutable { flush(); },
            [flush](const caf::error& e) mutable {
              spdlog::warn("supervisor: turns did not end in time: {}",
                           caf::to_string(e));
              flush();
            });
  return promise;
}

/// In order: those who ask before those who answer.
void supervisor_state::stop_all() {
  stopping = true;
  const error ends{error_code::unavailable, "the daemon is shutting down"};
  for (auto& [model, waiting] : loads)
    waiting.deliver(failed_with<view_ptr>(ends));
  for (auto& [model, waiting] : unloads)
    waiting.deliver(failed_with<acknowledged>(ends));
  auto stop = [this](const auto& handle) {
    if (handle) self->send_exit(handle, caf::exit_reason::user_shutdown);
  };
  for (const auto& session : sessions)
    self->send(session, connection_closed{});
  for (const auto& [model, hosted] : view->models)
    stop(hosted.actor);
  for (auto& [model, latest] : newest) {
    latest.interrupt.request_stop();
    stop(latest.actor);
  }
  stop(view->prefetch);
  stop(view->recorder);
  stop(view->search);
  stop(view->auditor);
  stop(view->restorer);
  stop(view->catalog);
  stop(view->tokenizer);
  stop(view->lens_clicks);
  stop(view->lens_backlog);
  stop(view->book_learner);
  for (const auto& codec : view->codecs)
    stop(codec);
  for (const auto& decoder : view->decoders)
    stop(decoder);
  for (const auto& shard : view->shards)
    stop(shard);
  for (const auto& reader : view->readers)
    stop(reader);
  stop(view->disk);
  self->quit();
}

namespace {

status_basis basis_of(const supervisor_state& s) {
  status_basis basis;
  basis.view = s.view;
  for (const auto& part : s.parts)
    if (!part.gone)
      basis.parts.push_back({part.name, part.health, part.deaths_total});
  basis.uptime_s =
      std::chrono::duration<double>(supervisor_state::clock::now() - s.started)
          .count();
  basis.connections = s.connections;
  basis.damages = s.damages;
  basis.blas = s.options.blas;
  return basis;
}

void start_all(supervisor_state& state, supervisor_actor self) {
  state.next = std::make_shared<system_view>();
  state.next->supervisor = std::move(self);
  state.next->budgets = {state.options.disk.retention.disk_bytes_max,
                         state.options.memory_bytes_max,
                         state.options.models.empty()
                             ? 0
                             : state.options.models[0].in_flight_bytes_max};
  state.next->tuned = tunables_in(state.options);
  state.next->configuration = state.options.configuration;
  state.next->hosting = state.options.hosting;
  state.next->books = shelve_all(*state.options.environment->reader());
  state.add_storage();
  state.add_computation();
  for (std::size_t i = 0; i < state.parts.size(); ++i)
    state.start(i);
  state.publish();
}

}  // namespace

supervisor_self::behavior_type supervisor(supervisor_state::pointer self,
                                          system_options options,
                                          restart_policy policy) {
  auto& state = self->state;
  state.options = std::move(options);
  state.policy = policy;
  self->set_down_handler(
      [&state](const caf::down_msg& down) { state.part_down(down); });
  start_all(state, supervisor_actor(self));
  return {
      [&state](const get_view&) { return state.view; },
      [&state, self](const follow_views& m) {
        self->monitor(m.session);
        state.sessions.push_back(m.session);
        self->send(m.session, view_changed{state.view});
      },
      [&state](const model_loaded& m) { state.model_came_up(m); },
      [&state](const model_refused& m) { state.model_was_refused(m); },
      [&state](const load_model& m) { return state.load(m); },
      [&state](const unload_model& m) { return state.unload(m); },
      [&state](const connections_changed& m) { state.connections = m.open; },
      [&state](const damage_found& m) {
        ++state.damages;
        spdlog::error("supervisor: damaged: {}", m.what);
      },
      [&state](const book_learned& m) {
        state.next->books = state.next->books->with(m.root, m.book);
        state.publish();
      },
      [&state](const reconfigure& m) { state.reload(m); },
      [&state, self](const get_status&) {
        using promise_type = caf::typed_response_promise<std::string>;
        auto promise = self->make_response_promise<promise_type>();
        collect_status(self->system(), basis_of(state), promise);
        return promise;
      },
      [&state](const drain_system& m) { return state.drain(m); },
      [&state](const restart_due& m) {
        // Its place may be another model's by now.
        if (state.stopping || state.parts[m.part].gone ||
            state.parts[m.part].health == "up")
          return;
        state.start(m.part);
        state.publish();
      },
  };
}

}  // namespace lamina

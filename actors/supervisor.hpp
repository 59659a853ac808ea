// The supervisor: starts every long-lived actor, watches them, restarts what
// dies with exponential back-off, and publishes who is there. A part that dies
// again and again is marked down, visibly, and left alone.
//
// Its clients hold views: immutable tables of handles. A restart makes a new
// view, which goes to all who follow.
#pragma once

#include <caf/stateful_actor.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "actors/auditor.hpp"
#include "actors/catalog.hpp"
#include "actors/disk.hpp"
#include "actors/lens.hpp"
#include "actors/messages/book_learner.hpp"
#include "actors/messages/message.hpp"
#include "actors/messages/supervisor.hpp"
#include "actors/model.hpp"
#include "actors/prefetch.hpp"
#include "actors/restorer.hpp"
#include "actors/search.hpp"
#include "actors/view.hpp"

namespace lamina {

struct system_options {
  std::shared_ptr<store> environment;
  disk_options disk;
  catalog_options catalog;
  prefetch_options prefetch;
  search_options search;
  audit_options audit;
  restorer_options restorer;
  lens_options lens_clicks;
  lens_options lens_backlog;
  std::uint32_t shards = 4;
  std::uint64_t memory_bytes_max = std::uint64_t{1} << 30;  // of all shards
  std::chrono::milliseconds memory_ttl = std::chrono::hours(1);  // 0: none
  std::uint32_t readers = 2;
  std::uint32_t codecs = 1;
  std::uint32_t decoders = 1;
  std::vector<model_actor_options> models;
  std::string blas;  // which library the process loaded, for status
};

struct restart_policy {
  std::chrono::milliseconds first_delay{100};
  std::chrono::milliseconds longest_delay{30'000};
  std::uint32_t deaths_max = 8;  // in a row, each within `calm` of the last
  std::chrono::seconds calm{60};
};

struct restart_due {
  std::size_t part = 0;
};

using supervisor_self = supervisor_actor::extend<reacts_to<restart_due>>;

struct supervisor_state {
  using pointer = supervisor_self::stateful_pointer<supervisor_state>;
  using clock = std::chrono::steady_clock;

  /// One supervised actor.
  struct part {
    std::string name;
    std::string model;  // the name of the model it hosts, if it does
    std::function<caf::actor_addr(system_view&)> start;
    caf::actor_addr address;
    std::string health = "up";
    std::uint32_t deaths = 0;  // in a row
    std::uint32_t deaths_total = 0;
    clock::time_point last_death;
    bool refused = false;  // it said itself that it cannot run
  };

  explicit supervisor_state(pointer actor) : self(actor) {}

  void add(std::string part_name,
           std::function<caf::actor_addr(system_view&)> start);
  void add_storage();
  void add_computation();
  void add_model(const model_actor_options& options);
  void start(std::size_t index);
  void publish();
  void part_down(const caf::down_msg& down);
  void model_is(const std::string& model, model_ptr loaded,
                const std::string& health);
  caf::result<acknowledgement> drain(const drain_system& m);
  void stop_all();

  static inline const char* name = "supervisor";
  pointer self;
  system_options options;
  restart_policy policy;
  clock::time_point started = clock::now();
  std::vector<part> parts;
  std::shared_ptr<system_view> next;  // being built; published as a copy
  view_ptr view;
  std::map<std::string, model_actor> loading;  // newest actor of each model
  std::vector<session_actor> sessions;
  std::uint32_t connections = 0;
  std::uint64_t damages = 0;  // stored things that could not be read
  bool stopping = false;
};

supervisor_self::behavior_type supervisor(supervisor_state::pointer self,
                                          system_options options,
                                          restart_policy policy);

}  // namespace lamina

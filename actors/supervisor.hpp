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
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "actors/auditor.hpp"
#include "actors/catalog.hpp"
#include "actors/disk.hpp"
#include "actors/lens.hpp"
#include "actors/messages/book_learner.hpp"
#include "actors/messages/hosting.hpp"
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
  model_actor_options model_defaults;  // of those that clients load
  hosting_policy hosting;
  std::string blas;  // which library the process loaded, for status
  owner_quota quota;
  std::shared_ptr<const std::string> configuration;  // JSON; null: none
};

/// What of the options may change, and a change of it.
tunables tunables_in(const system_options& options);
void apply(const tunables& tuned, system_options& options);

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

  /// A model's actor, up or still loading, and how that ends early.
  struct newest_actor {
    model_actor actor;
    std::stop_source interrupt;
  };

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
    bool refused = false;   // it said itself that it cannot run
    bool retiring = false;  // a model that is being unloaded
    bool gone = false;      // nothing is here any more
  };

  using load_promise = caf::typed_response_promise<model_hosted>;
  using unload_promise = caf::typed_response_promise<acknowledgement>;

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
  part* part_of_model(const std::string& model);
  caf::result<model_hosted> load(const load_model& m);
  caf::result<acknowledgement> unload(const unload_model& m);
  void answer_load(const std::string& model, const model_hosted& answer);
  void forget_model(part& known);
  void retired(part& p);
  void model_came_up(const model_loaded& m);
  void model_was_refused(const model_refused& m);
  caf::result<acknowledgement> drain(const drain_system& m);
  void reload(const reconfigure& m);
  void stop_all();

  static inline const char* name = "supervisor";
  pointer self;
  system_options options;
  restart_policy policy;
  clock::time_point started = clock::now();
  std::vector<part> parts;
  std::shared_ptr<system_view> next;  // being built; published as a copy
  view_ptr view;
  std::map<std::string, newest_actor> newest;     // of each model
  std::map<std::string, load_promise> loads;      // not up yet
  std::map<std::string, unload_promise> unloads;  // not gone yet
  std::vector<session_actor> sessions;
  std::uint32_t connections = 0;
  std::uint64_t damages = 0;  // stored things that could not be read
  bool stopping = false;
};

/// What a further model's weights may take; nothing: what the machine has.
std::optional<std::uint64_t> memory_left(const system_view& view);

supervisor_self::behavior_type supervisor(supervisor_state::pointer self,
                                          system_options options,
                                          restart_policy policy);

}  // namespace lamina

#include "daemon/service.hpp"

#include <spdlog/spdlog.h>
#include <systemd/sd-daemon.h>

#include <caf/all.hpp>
#include <cstdio>
#include <future>
#include <thread>

#include "actors/messages/supervisor.hpp"
#include "actors/spawn.hpp"
#include "daemon/environment.hpp"
#include "daemon/log.hpp"
#include "daemon/metrics_server.hpp"
#include "daemon/notifier.hpp"
#include "daemon/rules.hpp"
#include "daemon/system_options.hpp"

namespace lamina {
namespace {

namespace asio = boost::asio;

int refuse(const error& e) {
  std::fprintf(stderr, "laminad: %s\n", to_string(e).c_str());
  return 1;
}

class service {
 public:
  service(const configuration_options& given, configuration c)
      : given_(given), configuration_(std::move(c)), io_(1) {}

  int run(std::uint64_t fault_after_steps);

 private:
  result<void> open();
  void serve();
  void wait_for_signal(asio::signal_set& signals);
  void reload();
  int drain();

  const configuration_options& given_;
  configuration configuration_;
  // Sessions hold connections, so the sockets' context outlives the actors.
  asio::io_context io_;
  std::unique_ptr<listener> front_;
  std::unique_ptr<metrics_server> metrics_;
  std::unique_ptr<caf::actor_system> system_;
  supervisor_actor top_;
};

/// Before the models: a second daemon ends before it reads gigabytes.
result<void> service::open() {
  BOOST_OUTCOME_TRY(rules, listener_rules_of(configuration_));
  BOOST_OUTCOME_TRY(addresses, open_addresses(io_, configuration_));
  front_ =
      std::make_unique<listener>(io_, std::move(addresses), std::move(rules));
  if (configuration_.metrics.empty()) return success();
  BOOST_OUTCOME_TRY(address, parse_endpoint(configuration_.metrics));
  BOOST_OUTCOME_TRY(at,
                    acceptor::open(io_, address, configuration_.socket_mode));
  metrics_ = std::make_unique<metrics_server>(io_, std::move(at));
  return success();
}

int service::run(std::uint64_t fault_after_steps) {
  const auto& c = configuration_;
  store_options disk;
  disk.directory = c.state_directory / c.disk_directory;
  auto starting = std::make_unique<patience_request>("opening the store");
  auto environment = store::open(disk);
  starting.reset();
  if (!environment) return refuse(environment.error());
  if (auto warning = blas_warning(loaded_blas()); !warning.empty())
    spdlog::warn("{}", warning);
  if (auto opened = open(); !opened) return refuse(opened.error());
  caf::actor_system_config caf_config;
  // Thieves that find nothing wake every 50 us; beside a decode that takes a
  // third of its rate. A shared queue's workers sleep until there is work.
  caf_config.set("scheduler.policy", caf::atom("sharing"));
  system_ = std::make_unique<caf::actor_system>(caf_config);
  top_ = spawn_supervisor(
      *system_,
      system_options_of(c, fault_after_steps, std::move(environment).value()));
  front_->serve(*system_, top_);
  if (metrics_) metrics_->serve(*system_, top_);
  serve();
  const int status = drain();
  front_.reset();
  metrics_.reset();
  top_ = nullptr;
  system_.reset();
  return status;
}

/// Blocks until a signal asks to stop.
void service::serve() {
  asio::signal_set signals(io_, SIGTERM, SIGINT, SIGHUP);
  wait_for_signal(signals);
  watchdog_feeder feeder(io_, *system_, top_);
  sd_notify(0, "READY=1\nSTATUS=serving");
  io_.run();
}

void service::wait_for_signal(asio::signal_set& signals) {
  signals.async_wait(
      [this, &signals](const boost::system::error_code& failed, int number) {
        if (failed) return;
        if (number == SIGHUP) {
          reload();
          return wait_for_signal(signals);
        }
        spdlog::info("{}: stopping", number == SIGTERM ? "SIGTERM" : "SIGINT");
        sd_notify(0, "STOPPING=1");
        front_->stop();
        if (metrics_) metrics_->stop();
        io_.stop();
      });
}

/// A file that is wrong changes nothing. On the sockets' thread.
void service::reload() {
  spdlog::info("SIGHUP: reading the configuration again");
  sd_notify(0, "RELOADING=1");
  auto read = configure(given_);
  std::vector<std::string> ignored;
  auto now = read ? reconfigured(configuration_, read.value(), ignored)
                  : configuration_;
  // What takes a restart stays, and must go with what does not.
  const auto fits = check_whole(now);
  auto rules = listener_rules_of(now);
  if (!read || !fits || !rules) {
    spdlog::error("nothing was changed: {}",
                  to_string(!read   ? read.error()
                            : !fits ? fits.error()
                                    : rules.error()));
  } else {
    for (const auto& key : ignored)
      spdlog::warn("'{}' has changed, which takes a restart", key);
    configuration_ = std::move(now);
    set_up_log(configuration_.log_level, configuration_.log_levels);
    front_->change(std::move(rules).value());
    caf::anon_send(top_, reconfigure{tunables_of(configuration_),
                                     std::make_shared<const std::string>(
                                         describe(configuration_))});
    spdlog::info("the configuration is in force");
  }
  sd_notify(0, "READY=1");
}

/// Ends turns and syncs while connections still carry the last frames.
int service::drain() {
  patience_request stopping("ending turns and writing what is left");
  io_.restart();
  auto work = asio::make_work_guard(io_);
  std::promise<void> written;
  std::thread sockets([&] {
    io_.run();
    written.set_value();
  });
  caf::scoped_actor self(*system_);
  int status = 0;
  self->request(top_,
                std::chrono::milliseconds(configuration_.drain_ms + 5'000u),
                drain_system{configuration_.drain_ms})
      .receive(
          [&](const acknowledgement& drained) {
            if (drained) return;
            spdlog::error("{}", to_string(drained.error()));
            status = 1;
          },
          [&](const caf::error& e) {
            spdlog::error("the actors did not stop: {}", caf::to_string(e));
            status = 1;
          });
  // Closing connections write their last frames; one that cannot is left.
  constexpr auto patience = std::chrono::seconds(2);
  work.reset();
  if (written.get_future().wait_for(patience) != std::future_status::ready)
    io_.stop();
  sockets.join();
  return status;
}

}  // namespace

int run_service(const configuration_options& given, configuration c,
                std::uint64_t fault_after_steps) {
  return service(given, std::move(c)).run(fault_after_steps);
}

}  // namespace lamina

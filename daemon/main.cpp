// laminad: reads the configuration, starts the actors and the listener, and
// takes them down in order when asked to.
#include <utility>

#include <boost/asio.hpp>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <systemd/sd-daemon.h>
#include <CLI/CLI.hpp>
#include <caf/all.hpp>

#include <cstdio>
#include <future>
#include <set>
#include <thread>

#include "actors/interfaces.hpp"
#include "actors/messages/message.hpp"
#include "actors/messages/supervisor.hpp"
#include "actors/spawn.hpp"
#include "daemon/configuration.hpp"
#include "daemon/environment.hpp"
#include "daemon/listener.hpp"
#include "protocol/endpoint.hpp"

namespace lamina {
namespace {

struct command_line {
  std::string config;
  std::string state_directory;
  std::string listen;
  std::vector<std::string> models;
  std::string log_level;
  std::string fault;  // "model-step=N": for tests of supervision
};

int refuse(const error& e) {
  std::fprintf(stderr, "laminad: %s\n", to_string(e).c_str());
  return 1;
}

/// File first, then the command line over it.
result<configuration> configure(const command_line& given) {
  configuration c;
  if (!given.config.empty()) {
    BOOST_OUTCOME_TRY(read, read_configuration(given.config));
    c = read;
  }
  if (!given.state_directory.empty()) c.state_directory = given.state_directory;
  if (c.state_directory.empty()) {
    BOOST_OUTCOME_TRY(directory, default_state_directory());
    c.state_directory = directory;
  }
  if (!given.listen.empty()) c.listen = given.listen;
  if (c.listen.empty()) {
    c.listen = "unix:" + (c.state_directory / "lamina.sock").string();
  }
  if (!given.models.empty()) c.models.clear();
  for (const auto& text : given.models) {
    BOOST_OUTCOME_TRY(m, parse_model_argument(text));
    c.models.push_back(m);
  }
  std::set<std::string> names;
  for (const auto& m : c.models)
    if (!names.insert(m.name).second)
      return fail(error_code::invalid_argument,
                  "two models are called '" + m.name + "'");
  if (c.models.empty()) {
    BOOST_OUTCOME_TRY(directory, demo_model_directory());
    c.models.push_back({"demo", directory, {}});
  }
  if (!given.log_level.empty()) c.log_level = given.log_level;
  if (!is_log_level(c.log_level))
    return fail(error_code::invalid_argument,
                "--log-level '" + c.log_level +
                    "': expected trace, debug, info, warn or error");
  return c;
}

result<std::uint64_t> parse_fault(const std::string& text) {
  constexpr std::string_view prefix = "model-step=";
  if (text.empty()) return std::uint64_t{0};
  if (text.rfind(prefix, 0) == 0)
    return std::strtoull(text.c_str() + prefix.size(), nullptr, 10);
  return fail(error_code::invalid_argument,
              "--inject-fault '" + text + "': expected model-step=N");
}

retention_limits retention_of(const configuration& c) {
  constexpr std::int64_t day_ms = 24 * 3600 * 1000;
  retention_limits limits;
  limits.disk_bytes_max = c.disk_bytes_max;
  limits.values_ttl_ms = c.disk_ttl_days * day_ms;
  limits.records_bytes_max = c.records_bytes_max;
  limits.records_ttl_ms = c.records_ttl_days * day_ms;
  return limits;
}

system_options options_of(const configuration& c, std::uint64_t fault,
                          std::shared_ptr<store> environment) {
  system_options o;
  o.environment = std::move(environment);
  o.catalog.abandon_after = std::chrono::milliseconds(c.abandon_after_ms);
  o.catalog.recompute_on_read = c.recompute_on_read;
  o.prefetch = {c.prefetch_enabled, c.prefetch_range};
  o.restorer.enabled = c.restore_recomputed;
  o.lens_backlog.backlog_bytes_max = c.lens_backlog_bytes_max;
  o.memory_bytes_max = c.memory_bytes_max;
  o.memory_ttl = std::chrono::minutes(c.memory_ttl_minutes);
  o.disk.retention = retention_of(c);
  auto cores = std::max(1u, std::thread::hardware_concurrency());
  o.codecs = std::clamp(cores / 4, 1u, 8u);
  o.decoders = std::clamp(cores / 2, 2u, 8u);
  o.blas = loaded_blas();
  for (const auto& m : c.models) {
    model_actor_options options;
    options.model = {m.name, m.directory, m.compute};
    options.engine.kv_budget_bytes = c.kv_bytes_max;
    options.in_flight_bytes_max = c.in_flight_bytes_max;
    options.threads = c.threads;
    options.when_full = c.when_full;
    options.kept = m.kept.value_or(c.kept);
    options.lenses = m.lenses;
    options.fault_after_steps = fault;
    o.models.push_back(std::move(options));
  }
  return o;
}

void set_up_log(const std::string& level) {
  auto log = spdlog::stderr_logger_mt("laminad");
  // journald stamps the time itself.
  bool journal = std::getenv("JOURNAL_STREAM") != nullptr;
  log->set_pattern(journal ? "%l: %v" : "%Y-%m-%d %H:%M:%S.%e %l: %v");
  log->set_level(spdlog::level::from_str(level));
  spdlog::set_default_logger(std::move(log));
}

/// Blocks until a signal asks to stop.
void serve(boost::asio::io_context& io, listener& front) {
  boost::asio::signal_set signals(io, SIGTERM, SIGINT);
  signals.async_wait([&](const boost::system::error_code& failed, int number) {
    if (failed) return;
    spdlog::info("{}: stopping", number == SIGTERM ? "SIGTERM" : "SIGINT");
    sd_notify(0, "STOPPING=1");
    front.stop();
    io.stop();
  });
  sd_notify(0, "READY=1");
  io.run();
}

/// Ends turns and syncs while connections still carry the last frames.
int drain(boost::asio::io_context& io, caf::actor_system& sys,
          const supervisor_actor& top, const configuration& c) {
  io.restart();
  auto work = boost::asio::make_work_guard(io);
  std::promise<void> written;
  std::thread sockets([&] {
    io.run();
    written.set_value();
  });
  caf::scoped_actor self(sys);
  int status = 0;
  self->request(top, std::chrono::milliseconds(c.drain_ms + 5'000u),
                drain_system{c.drain_ms})
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
    io.stop();
  sockets.join();
  return status;
}

int run(const configuration& c, std::uint64_t fault) {
  auto address = parse_endpoint(c.listen);
  if (!address) return refuse(address.error());
  if (address.value().kind != endpoint::transport::unix_socket)
    return refuse({error_code::unsupported,
                   "this version listens on unix:PATH only, not " + c.listen});
  store_options disk;
  disk.directory = c.state_directory / c.disk_directory;
  auto environment = store::open(disk);
  if (!environment) return refuse(environment.error());
  if (auto warning = blas_warning(loaded_blas()); !warning.empty())
    spdlog::warn("{}", warning);

  // Sessions hold connections, so the sockets' context outlives the actors.
  boost::asio::io_context io(1);
  // Before the models: a second daemon ends before it reads gigabytes.
  auto front = listener::open(io, {address.value().path, 0600});
  if (!front) return refuse(front.error());
  caf::actor_system_config caf_config;
  caf_config.set("scheduler.policy", caf::atom("stealing"));
  caf::actor_system sys(caf_config);
  auto top = spawn_supervisor(
      sys, options_of(c, fault, std::move(environment).value()));
  front.value()->serve(sys, top);
  spdlog::info("listening on {}", c.listen);
  serve(io, *front.value());
  const int status = drain(io, sys, top, c);
  front.value().reset();
  return status;
}

}  // namespace
}  // namespace lamina

int main(int argc, char** argv) {
  using namespace lamina;
  ensure_passive_openmp(argv);
  command_line given;
  CLI::App app(
      "Lamina's daemon: hosts models and keeps what every layer "
      "computed");
  app.set_version_flag("--version", "laminad " LAMINA_VERSION);
  app.add_option("--config", given.config, "YAML configuration");
  app.add_option("--state-dir", given.state_directory,
                 "where conversations are kept");
  app.add_option("--listen", given.listen, "unix:PATH");
  app.add_option("--model", given.models,
                 "NAME=DIRECTORY, repeatable; none: the demo model");
  app.add_option("--log-level", given.log_level,
                 "trace, debug, info, warn, error");
  app.add_option("--inject-fault", given.fault,
                 "model-step=N: throw once in that step (for tests)");
  CLI11_PARSE(app, argc, argv);
  auto c = configure(given);
  if (!c) return refuse(c.error());
  auto fault = parse_fault(given.fault);
  if (!fault) return refuse(fault.error());
  set_up_log(c.value().log_level);
  return run(c.value(), fault.value());
}

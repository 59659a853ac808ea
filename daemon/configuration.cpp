#include "daemon/configuration.hpp"

#include <yaml-cpp/yaml.h>

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <set>

#include "daemon/settings.hpp"
#include "daemon/yaml_section.hpp"
#include "protocol/endpoint.hpp"

namespace lamina {
namespace {

/// "NAME=DIR" from the command line.
result<configured_model> parse_model_argument(const std::string& text) {
  auto equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size())
    return fail(error_code::invalid_argument,
                "--model '" + text + "': expected NAME=DIRECTORY");
  return configured_model{text.substr(0, equals), text.substr(equals + 1)};
}

result<void> take_models(const std::vector<std::string>& given,
                         configuration& c) {
  if (given.empty()) return success();
  c.models.clear();
  c.sources["models"] = "--model";
  std::set<std::string> names;
  for (const auto& text : given) {
    BOOST_OUTCOME_TRY(m, parse_model_argument(text));
    if (!names.insert(m.name).second)
      return fail(error_code::invalid_argument,
                  "--model: two models are called '" + m.name + "'");
    c.models.push_back(std::move(m));
  }
  return success();
}

/// The command line over the file.
result<void> take_options(const configuration_options& given,
                          configuration& c) {
  if (!given.state_directory.empty()) {
    c.state_directory = given.state_directory;
    c.sources["state_dir"] = "--state-dir";
  }
  if (!given.listen.empty()) {
    for (const auto& address : given.listen) {
      BOOST_OUTCOME_TRYV(parse_endpoint(address));
    }
    c.listen = given.listen;
    c.sources["listen"] = "--listen";
  }
  BOOST_OUTCOME_TRYV(take_models(given.models, c));
  if (given.log_level.empty()) return success();
  if (!is_log_level(given.log_level))
    return fail(error_code::invalid_argument,
                "--log-level '" + given.log_level +
                    "': expected trace, debug, info, warn or error");
  c.log_level = given.log_level;
  c.sources["log_level"] = "--log-level";
  return success();
}

/// What nobody said and only the machine knows.
result<void> fill_in(configuration& c) {
  if (c.state_directory.empty()) {
    BOOST_OUTCOME_TRY(directory, default_state_directory());
    c.state_directory = directory;
  }
  if (c.listen.empty())
    c.listen = {"unix:" + (c.state_directory / "lamina.sock").string()};
  if (c.tokens_file.empty()) c.tokens_file = c.state_directory / "tokens";
  if (c.models.empty()) {
    BOOST_OUTCOME_TRY(directory, demo_model_directory());
    c.models.push_back({"demo", directory});
  }
  return success();
}

/// A refusal that says where the key's value came from.
error refused(const configuration& c, const std::string& key,
              const std::string& what) {
  const auto source = c.sources.find(key);
  return {error_code::invalid_argument,
          (source == c.sources.end() ? key : source->second) + ": " + what};
}

result<void> check_addresses(const configuration& c) {
  for (const auto& text : c.listen) {
    BOOST_OUTCOME_TRY(address, parse_endpoint(text));
    const bool tls = address.kind == endpoint::transport::tls;
    if (tls && (c.tls_certificate.empty() || c.tls_key.empty()))
      return refused(c, "listen", text + " needs tls.certificate and tls.key");
    if (!tls && !is_local(address) && !c.allow_plain_tcp)
      return refused(c, "listen",
                     text +
                         " would send tokens and text through the network "
                         "in clear: use tls://, or set allow_plain_tcp");
  }
  return success();
}

}  // namespace

result<configuration> read_configuration(const std::filesystem::path& file) {
  try {
    auto root = YAML::LoadFile(file.string());
    configuration c;
    c.file = file;
    if (root.IsNull()) return c;
    BOOST_OUTCOME_TRYV(read_section(yaml_value(file.string(), root),
                                    "the configuration", settings(), c,
                                    &c.sources));
    return c;
  } catch (const YAML::BadFile&) {
    return fail(error_code::not_found, "cannot read " + file.string());
  } catch (const YAML::Exception& e) {
    return fail(
        error_code::invalid_argument,
        file.string() + ":" + std::to_string(e.mark.line + 1) + ": " + e.msg);
  }
}

result<configuration> configure(const configuration_options& given) {
  configuration c;
  if (!given.config.empty()) {
    BOOST_OUTCOME_TRY(read, read_configuration(given.config));
    c = std::move(read);
  }
  BOOST_OUTCOME_TRYV(take_options(given, c));
  BOOST_OUTCOME_TRYV(fill_in(c));
  BOOST_OUTCOME_TRYV(check_whole(c));
  return c;
}

std::string describe(const configuration& c) {
  auto list = nlohmann::json::array();
  for (const auto& s : settings()) {
    const auto source = c.sources.find(s.key);
    list.push_back(
        {{"key", s.key},
         {"value", s.show(c)},
         {"source", source == c.sources.end() ? "default" : source->second},
         {"live", s.when == takes_effect::live}});
  }
  const nlohmann::json document{
      {"file", c.file.empty() ? nlohmann::json() : nlohmann::json(c.file)},
      {"settings", std::move(list)}};
  return document.dump(-1, ' ', false,
                       nlohmann::json::error_handler_t::replace);
}

configuration reconfigured(const configuration& running,
                           const configuration& read,
                           std::vector<std::string>& ignored) {
  auto now = running;
  for (const auto& s : settings()) {
    if (s.when == takes_effect::live) {
      s.copy(now, read);
      now.sources.erase(s.key);
      if (auto at = read.sources.find(s.key); at != read.sources.end())
        now.sources.insert(*at);
    } else if (s.show(running) != s.show(read)) {
      ignored.push_back(s.key);
    }
  }
  return now;
}

result<void> check_whole(const configuration& c) {
  BOOST_OUTCOME_TRYV(check_addresses(c));
  if (c.tls_certificate.empty() != c.tls_key.empty())
    return refused(c, c.tls_key.empty() ? "tls.certificate" : "tls.key",
                   "tls.certificate and tls.key belong together");
  if (!c.metrics.empty()) {
    BOOST_OUTCOME_TRY(address, parse_endpoint(c.metrics));
    if (!is_local(address) || address.kind == endpoint::transport::tls)
      return refused(c, "metrics",
                     c.metrics +
                         " is not unix:PATH or tcp://127.0.0.1:PORT: "
                         "metrics are for this machine");
  }
  if (c.tcp_connections_max > c.connections_max)
    return refused(c, "limits.tcp_connections",
                   "more than limits.connections, which is " +
                       std::to_string(c.connections_max));
  return success();
}

bool is_log_level(const std::string& text) {
  for (const char* known : {"trace", "debug", "info", "warn", "error"})
    if (text == known) return true;
  return false;
}

result<std::filesystem::path> default_state_directory() {
  if (const char* state = std::getenv("XDG_STATE_HOME"); state && *state)
    return std::filesystem::path(state) / "lamina";
  if (const char* home = std::getenv("HOME"); home && *home)
    return std::filesystem::path(home) / ".local/state/lamina";
  return fail(error_code::invalid_argument,
              "neither XDG_STATE_HOME nor HOME is set: give --state-dir");
}

result<std::filesystem::path> demo_model_directory() {
  std::error_code unknown;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", unknown);
  const auto installed =
      program.parent_path().parent_path() / "share/lamina/models/demo";
  for (const auto& candidate :
       {installed, std::filesystem::path(LAMINA_SOURCE_MODELS "/demo")})
    if (std::filesystem::exists(candidate / "config.json", unknown))
      return candidate;
  return fail(error_code::not_found, "the demo model is neither in " +
                                         installed.string() +
                                         " nor in " LAMINA_SOURCE_MODELS);
}

}  // namespace lamina

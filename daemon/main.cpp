// laminad: reads the command line and does what it asks: serve, check the
// configuration, or keep the tokens.
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include <CLI/CLI.hpp>

#include "daemon/environment.hpp"
#include "daemon/log.hpp"
#include "daemon/rules.hpp"
#include "daemon/service.hpp"

namespace lamina {
namespace {

struct command_line {
  configuration_options configuration;
  bool check_config = false;
  std::string token_to_add;
  std::string token_to_remove;
  std::string scopes = "read,generate";
  std::string groups;
  std::string fault;  // "model-step=N": for tests of supervision
};

int refuse(const error& e) {
  std::fprintf(stderr, "laminad: %s\n", to_string(e).c_str());
  return 1;
}

result<std::uint64_t> parse_fault(const std::string& text) {
  constexpr std::string_view prefix = "model-step=";
  if (text.empty()) return std::uint64_t{0};
  if (text.rfind(prefix, 0) == 0)
    return std::strtoull(text.c_str() + prefix.size(), nullptr, 10);
  return fail(error_code::invalid_argument,
              "--inject-fault '" + text + "': expected model-step=N");
}

void describe_options(CLI::App& app, command_line& given) {
  auto& c = given.configuration;
  app.set_version_flag("--version", "laminad " LAMINA_VERSION);
  app.add_option("--config", c.config, "YAML configuration");
  app.add_option("--state-dir", c.state_directory,
                 "where conversations are kept");
  app.add_option("--listen", c.listen,
                 "unix:PATH, tcp://HOST:PORT or tls://HOST:PORT; repeatable");
  app.add_option("--model", c.models,
                 "NAME=DIRECTORY, repeatable; none: the demo model");
  app.add_option("--log-level", c.log_level, "trace, debug, info, warn, error");
  app.add_flag("--check-config", given.check_config,
               "say whether the configuration can be used, and end");
  app.add_option("--add-token", given.token_to_add,
                 "make a token of this NAME, print it, and end");
  app.add_option("--scopes", given.scopes,
                 "of that token: read, generate, admin")
      ->capture_default_str();
  app.add_option("--groups", given.groups, "of that token: NAME,NAME");
  app.add_option("--remove-token", given.token_to_remove,
                 "remove the token of this NAME, and end");
  app.add_option("--inject-fault", given.fault,
                 "model-step=N: throw once in that step (for tests)");
}

int add(const command_line& given, const configuration& c) {
  auto token =
      add_token(c.tokens_file, given.token_to_add, given.scopes, given.groups);
  if (!token) return refuse(token.error());
  std::printf("%s\n", token.value().c_str());
  std::fprintf(stderr,
               "Keep it: nobody can read it again. A daemon that runs takes it "
               "after SIGHUP.\n");
  return 0;
}

/// The files that it names, too.
int check(const configuration& c) {
  if (auto rules = listener_rules_of(c); !rules) return refuse(rules.error());
  int status = 0;
  for (const auto& m : c.models) {
    std::error_code unknown;
    if (std::filesystem::exists(m.directory / "config.json", unknown)) continue;
    status = refuse({error_code::not_found,
                     "model '" + m.name + "': there is no config.json in " +
                         m.directory.string()});
  }
  if (status == 0)
    std::printf("%s can be used\n",
                c.file.empty() ? "the configuration" : c.file.string().c_str());
  return status;
}

int act(const command_line& given) {
  auto c = configure(given.configuration);
  if (!c) return refuse(c.error());
  if (given.check_config) return check(c.value());
  if (!given.token_to_add.empty()) return add(given, c.value());
  if (!given.token_to_remove.empty()) {
    auto removed = remove_token(c.value().tokens_file, given.token_to_remove);
    return removed ? 0 : refuse(removed.error());
  }
  auto fault = parse_fault(given.fault);
  if (!fault) return refuse(fault.error());
  set_up_log(c.value().log_level, c.value().log_levels);
  return run_service(given.configuration, std::move(c).value(), fault.value());
}

}  // namespace
}  // namespace lamina

int main(int argc, char** argv) {
  using namespace lamina;
  ensure_environment(argv);
  keep_freed_memory();
  command_line given;
  CLI::App app(
      "Lamina's daemon: hosts models and keeps what every layer "
      "computed");
  describe_options(app, given);
  CLI11_PARSE(app, argc, argv);
  return act(given);
}

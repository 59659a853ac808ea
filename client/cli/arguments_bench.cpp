#include "client/cli/arguments_bench.hpp"

#include <CLI/CLI.hpp>
#include <memory>
#include <utility>

namespace lamina::cli {
namespace {

// A command with its name and help, and what all of them ask.
template <class Options>
std::pair<CLI::App*, std::shared_ptr<Options>> add_one(
    CLI::App& bench, invocation& chosen, const char* name, const char* help,
    result<int> (*run)(session&, const Options&)) {
  auto* command = bench.add_subcommand(name, help);
  auto options = std::make_shared<Options>();
  command->add_option("--model", options->model,
                      "Default: the only one there is");
  command->add_option("--tokens", options->tokens, "Of each answer")
      ->check(CLI::Range(8, 1 << 20))
      ->capture_default_str();
  command->callback([&chosen, run, options] {
    chosen.command = [run, options](session& with) {
      return run(with, *options);
    };
  });
  return {command, options};
}

void add_rounds(CLI::App& command, std::uint32_t& rounds) {
  command.add_option("--rounds", rounds, "Of which medians are taken")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
}

void add_decode(CLI::App& bench, invocation& chosen) {
  const auto [command, options] = add_one(
      bench, chosen, "decode",
      "How fast a model writes, for one and for several at once", bench_decode);
  add_rounds(*command, options->rounds);
  command
      ->add_option("--batches", options->batches,
                   "So many sequences at once, as in 1,4,16")
      ->delimiter(',')
      ->check(CLI::Range(1, 128))
      ->capture_default_str();
}

void add_capture(CLI::App& bench, invocation& chosen) {
  const auto [command, options] =
      add_one(bench, chosen, "capture",
              "What keeping activations and the lens costs", bench_capture);
  add_rounds(*command, options->rounds);
}

void add_sessions(CLI::App& bench, invocation& chosen) {
  const auto [command, options] =
      add_one(bench, chosen, "sessions",
              "Many who write at once, and some who click", bench_sessions);
  command->add_option("--sessions", options->sessions, "That write")
      ->check(CLI::Range(1, 128))
      ->capture_default_str();
  command->add_option("--clickers", options->clickers, "That ask for the lens")
      ->check(CLI::Range(0, 64))
      ->capture_default_str();
  command->add_option("--seconds", options->seconds, "To measure for")
      ->check(CLI::Range(1, 86'400))
      ->capture_default_str();
  command
      ->add_option("--lens", options->lens,
                   "When its records are made; none: without capture")
      ->check(CLI::IsMember({"none", "eager", "deferred", "on_demand"}))
      ->capture_default_str();
}

}  // namespace

void add_model_benches(CLI::App& bench, invocation& chosen) {
  add_decode(bench, chosen);
  add_capture(bench, chosen);
  add_sessions(bench, chosen);
}

}  // namespace lamina::cli

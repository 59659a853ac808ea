#include <CLI/CLI.hpp>
#include <memory>

#include "client/cli/arguments.hpp"
#include "client/cli/commands.hpp"

namespace lamina::cli {
namespace {

CLI::IsMember dtypes() {
  return CLI::IsMember({"float32", "bfloat16"});
}

void add_weights(CLI::App& command, std::string& weights) {
  command
      .add_option("--weights", weights,
                  "What is multiplied: stored (default) or int8, half the "
                  "bytes of bfloat16 and not quite the same numbers")
      ->check(CLI::IsMember({"stored", "int8"}));
}

void add_device(CLI::App& command, std::string& device) {
  command.add_option("--device", device,
                     "Where it computes: cpu (the default), cuda, cuda:N, or "
                     "torch, the path of GPUs on the CPU");
}

void add_load(CLI::App& group, invocation& chosen) {
  auto* command = group.add_subcommand("load", "Load one; ends when it is up");
  auto options = std::make_shared<load_options>();
  command
      ->add_option("model", options->model,
                   "NAME=DIRECTORY, on the daemon's machine and under its "
                   "model_roots")
      ->required();
  command
      ->add_option("--dtype", options->dtype,
                   "To compute with (default: as its weights are stored)")
      ->check(dtypes());
  add_device(*command, options->device);
  command
      ->add_option("--quality", options->quality,
                   "How faithfully activations are kept (default: as the "
                   "daemon is configured)")
      ->check(CLI::IsMember({"lossless", "high", "balanced", "small"}));
  add_weights(*command, options->weights);
  command->callback([&chosen, options] {
    chosen.command = [options](session& with) {
      return load_model(with, *options);
    };
  });
}

void add_unload(CLI::App& group, invocation& chosen) {
  auto* command = group.add_subcommand(
      "unload", "End its turns and free it; what it wrote stays");
  auto name = std::make_shared<std::string>();
  command->add_option("name", *name, "As lamina models lists it")->required();
  command->callback([&chosen, name] {
    chosen.command = [name](session& with) {
      return unload_model(with, *name);
    };
  });
}

void add_plan(CLI::App& group, invocation& chosen) {
  auto* command = group.add_subcommand(
      "plan", "What loading a directory would take, without loading it");
  auto options = std::make_shared<model_plan_options>();
  command
      ->add_option("directory", options->directory, "On the daemon's machine")
      ->required();
  command->add_option("--dtype", options->dtype, "To compute with")
      ->check(dtypes());
  add_weights(*command, options->weights);
  add_device(*command, options->device);
  command->callback([&chosen, options] {
    chosen.command = [options](session& with) {
      return plan_model(with, *options);
    };
  });
}

}  // namespace

void add_models(CLI::App& app, invocation& chosen) {
  auto* group = app.add_subcommand("models", "The models the daemon runs");
  group->require_subcommand(0, 1);
  group->add_subcommand("list", "The same")->callback([&chosen] {
    chosen.command = list_models;
  });
  add_load(*group, chosen);
  add_unload(*group, chosen);
  add_plan(*group, chosen);
  group->callback([&chosen, group] {
    if (group->get_subcommands().empty()) chosen.command = list_models;
  });
}

}  // namespace lamina::cli

#include "client/cli/arguments.hpp"

#include <CLI/CLI.hpp>
#include <memory>

#include "client/cli/advice.hpp"
#include "client/cli/arguments_bench.hpp"
#include "client/cli/arguments_config.hpp"
#include "client/cli/ranges.hpp"
#include "client/cli/tensor_files.hpp"
#include "protocol/limits.hpp"

namespace lamina::cli {
namespace {

constexpr auto conversation_help =
    "An id, a prefix of one that is unique, or last";

// A parser of ours as a check of CLI11's: the sentence, or nothing.
template <class Parse>
auto checked_by(Parse parse) {
  return CLI::Validator(
      [parse](std::string& words) {
        const auto parsed = parse(words);
        return parsed ? std::string() : parsed.error().context;
      },
      "");
}

// Options live as long as the command that was built from them.
template <class Options>
auto keep() {
  return std::make_shared<Options>();
}

void add_daemon_commands(CLI::App& app, invocation& chosen) {
  app.add_subcommand("status", "What the daemon does and how it fares")
      ->callback([&chosen] { chosen.command = show_status; });
  add_models(app, chosen);
  auto* command = app.add_subcommand("ping", "Time a round trip");
  auto count = keep<std::uint32_t>();
  *count = 1;
  command->add_option("--count", *count, "Round trips to take")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  command->callback([&chosen, count] {
    chosen.command = [count](session& with) { return ping(with, *count); };
  });
}

void add_sampling_options(CLI::App& command, generate_options& options) {
  command
      .add_option("--max-new-tokens", options.max_new_tokens,
                  "Tokens to write at most")
      ->capture_default_str();
  command
      .add_option("--temperature", options.temperature,
                  "0 takes the likeliest token, always")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command.add_option("--top-k", options.top_k,
                     "Draw from the K likeliest tokens only; 0: from all");
  command
      .add_option("--top-p", options.top_p,
                  "Draw from the likeliest tokens that make up P only")
      ->check(CLI::Range(0.0, 1.0));
  command.add_flag("--model-sampling", options.model_sampling,
                   "Draw as the model's generation_config.json asks, whatever "
                   "the options above say");
  command.add_option("--seed", options.seed,
                     "Makes drawing repeatable (default: a new one each time)");
  command
      .add_option("--stop", options.stop,
                  "End before this text; may be given several times")
      ->expected(1)
      ->take_all();
}

void add_generate(CLI::App& app, invocation& chosen) {
  auto* command = app.add_subcommand("generate", "Write a turn");
  auto options = keep<generate_options>();
  command->add_option("--model", options->model,
                      "Default: the conversation's, or the only one there is");
  command->add_option("--conversation", options->conversation,
                      "Continue this one: an id, a unique prefix, or last");
  add_sampling_options(*command, *options);
  command->add_flag("--no-capture", options->no_capture,
                    "Do not keep activations");
  command
      ->add_option("--quality", options->quality,
                   "How faithfully activations are kept (default: as the "
                   "daemon is configured)")
      ->check(CLI::IsMember({"lossless", "high", "balanced", "small"}));
  command
      ->add_option("--backpressure", options->backpressure,
                   "When activations come faster than the disk takes them: "
                   "wait for it, or drop some (default: as the daemon is "
                   "configured)")
      ->check(CLI::IsMember({"wait", "drop"}));
  command
      ->add_option("--lens", options->lens, "When the logit lens is computed")
      ->check(CLI::IsMember({"eager", "deferred", "on_demand"}))
      ->capture_default_str();
  command->add_flag("--wait-durable", options->wait_durable,
                    "End only when everything is synced to disk");
  command->add_flag("--keep-running", options->keep_running,
                    "Finish the turn even when nobody watches any more");
  command->add_option("prompt", options->prompt, "The text; - reads stdin")
      ->required();
  command->callback([&chosen, options] {
    chosen.command = [options](session& with) {
      return generate(with, *options);
    };
  });
}

void add_attach(CLI::App& app, invocation& chosen) {
  auto* command =
      app.add_subcommand("attach", "Watch a turn that is being written");
  auto options = keep<attach_options>();
  command->add_option("conversation", options->conversation, conversation_help)
      ->required();
  command->add_option("--from", options->from_position,
                      "First position to show");
  command->add_flag("--wait-durable", options->wait_durable,
                    "End only when everything is synced to disk");
  command->callback([&chosen, options] {
    chosen.command = [options](session& with) {
      return attach(with, *options);
    };
  });
}

void add_lens_range(CLI::App& command, lens_options& options) {
  command
      .add_option("--positions", options.positions,
                  "Instead of one: BEGIN:END, as in 0:16; an open end is "
                  "allowed")
      ->check(checked_by(parse_positions));
  command
      .add_option("--track", options.track,
                  "Rate this token everywhere: #ID, or its text; may be given "
                  "several times")
      ->expected(1)
      ->take_all();
  command.add_option("--lens", options.lens,
                     "Through a tuned lens of the daemon's configuration");
  command.add_flag("--exact", options.exact,
                   "Have the model recompute what is kept with an error");
  command.add_flag("--follow", options.follow,
                   "Show a turn's positions as their records come");
  command.add_option("--output", options.output,
                     "Write the JSON document to this file");
}

void add_lens(CLI::App& app, invocation& chosen) {
  auto* command = app.add_subcommand(
      "lens", "What every layer would have predicted at a token");
  auto options = keep<lens_options>();
  command->add_option("conversation", options->conversation, conversation_help);
  command->add_option("position", options->position, "A number, or last")
      ->check(CLI::Number | CLI::IsMember({"last"}));
  command
      ->add_option("--layers", options->layers,
                   "As in 0,5,8:12 or embed; default: all")
      ->check(checked_by(parse_layers));
  command->add_option("--top-k", options->top_k, "Predictions for each layer")
      ->capture_default_str();
  command->add_option("--context", options->context, "Tokens shown before it")
      ->capture_default_str();
  add_lens_range(*command, *options);
  auto* backfill = command->add_subcommand(
      "backfill", "Compute and keep the records that are missing");
  auto id = keep<std::string>();
  backfill->add_option("conversation", *id, conversation_help)->required();
  backfill->callback([&chosen, id] {
    chosen.command = [id](session& with) { return backfill_lens(with, *id); };
  });
  command->callback([&chosen, options, backfill] {
    if (backfill->parsed()) return;  // its own callback came first
    chosen.command = [options](session& with) {
      return show_lens(with, *options);
    };
  });
}

void add_put(CLI::App& activations, invocation& chosen) {
  auto* command = activations.add_subcommand(
      "put", "Bring activations that were computed elsewhere");
  auto options = keep<put_options>();
  command->add_option("--model", options->model, "What the model is called")
      ->required();
  command->add_option("--fingerprint", options->fingerprint,
                      "Of the model: 32 hexadecimal digits");
  command
      ->add_option("--tokens", options->tokens,
                   "A JSON file of tokens: id, text or bytes, role, turn")
      ->required();
  command
      ->add_option("--input", options->input,
                   "A .safetensors file with resid_post.0 and on, perhaps "
                   "embed and final_norm")
      ->required();
  command
      ->add_option("--quality", options->quality,
                   "How faithfully they are kept (default: lossless)")
      ->check(CLI::IsMember({"lossless", "high", "balanced", "small"}));
  command->add_flag("--wait-durable", options->wait_durable,
                    "End only when everything is synced to disk");
  command->callback([&chosen, options] {
    chosen.command = [options](session& with) {
      return put_activations(with, *options);
    };
  });
}

void add_activations(CLI::App& app, invocation& chosen) {
  auto* command =
      app.add_subcommand("activations", "Save activations to a file");
  add_put(*command, chosen);
  command->require_subcommand(0, 1);
  auto options = keep<activations_options>();
  command->add_option("conversation", options->conversation, conversation_help);
  command
      ->add_option("--positions", options->positions,
                   "BEGIN:END, as in 0:16; an open end is allowed")
      ->check(checked_by(parse_positions))
      ->capture_default_str();
  command
      ->add_option("--layers", options->layers, "As in 0,5,8:12; default: all")
      ->check(checked_by(parse_layers));
  command
      ->add_option("--sites", options->sites,
                   "Some of embed, resid_post, final_norm")
      ->check(checked_by(parse_sites))
      ->capture_default_str();
  command
      ->add_option("--output", options->output,
                   "A file named *.safetensors or *.npy")
      ->check(checked_by(check_output_name));
  command->add_flag("--exact", options->exact,
                    "Have the model recompute what is kept with an error");
  command->callback([&chosen, command, options] {
    if (!command->get_subcommands().empty()) return;  // put
    if (options->conversation.empty()) throw CLI::RequiredError("conversation");
    if (options->output.empty()) throw CLI::RequiredError("--output");
    chosen.command = [options](session& with) {
      return save_activations(with, *options);
    };
  });
}

void add_search_query(CLI::App& command, search_options& options) {
  command.add_option("--conversation", options.conversation,
                     "Of the query: an id, a unique prefix, or last");
  command
      .add_option("--position", options.position,
                  "Of the query: a number, or last")
      ->check(CLI::Number | CLI::IsMember({"last"}));
  command.add_option("--vector", options.vector,
                     "The query from a file instead: *.npy or *.safetensors");
  command.add_option("--tensor", options.tensor,
                     "Which one of a .safetensors file; default: the only one");
  command.add_option("--layer", options.layer, "Counts from 0");
  command.add_option("--site", options.site, "Where activations are compared")
      ->check(CLI::IsMember({"resid_post", "embed", "final_norm"}))
      ->capture_default_str();
  command.add_option("--metric", options.metric, "How they are compared")
      ->check(CLI::IsMember({"cosine", "dot"}))
      ->capture_default_str();
  command.add_flag("--include-query", options.include_query,
                   "The query's own position may be a hit");
}

void add_search_place(CLI::App& command, search_options& options) {
  command.add_option("--in", options.in,
                     "Search these conversations only; default: all of yours");
  command.add_option("--model", options.model, "Only those of this model");
  command.add_option("--role", options.role, "Only tokens of this role")
      ->check(CLI::IsMember({"user", "assistant", "system"}));
  command
      .add_option("--positions", options.positions,
                  "Only these, as in 0:16; an open end is allowed")
      ->check(checked_by(parse_positions));
  command.add_option("--text", options.text,
                     "Only where this text stands; alone: find it");
  command
      .add_option("--match", options.match,
                  "The text lies across tokens, within one, or is a whole one")
      ->check(CLI::IsMember({"across", "within", "whole"}))
      ->capture_default_str();
}

void add_search(CLI::App& app, invocation& chosen) {
  auto* command = app.add_subcommand(
      "search", "Positions whose activations are like one, or a text's places");
  auto options = keep<search_options>();
  add_search_query(*command, *options);
  add_search_place(*command, *options);
  command->add_option("--top", options->top, "Hits to show")
      ->capture_default_str();
  command
      ->add_option("--context", options->context,
                   "Tokens shown on either side of a hit")
      ->capture_default_str();
  command->callback([&chosen, options] {
    chosen.command = [options](session& with) {
      return search(with, *options);
    };
  });
}

void add_cache(CLI::App& app, invocation& chosen) {
  auto* group =
      app.add_subcommand("cache", "What the disk holds, and how well");
  group->require_subcommand(1);
  auto* verify = group->add_subcommand(
      "verify", "Read and check everything, and compute some of it again");
  auto options = keep<verify_options>();
  verify->add_option("--conversation", options->conversation,
                     "Only this one: an id, a unique prefix, or last");
  verify
      ->add_option("--sample", options->sample,
                   "Chunks that the model computes again; 0: none")
      ->capture_default_str();
  verify->callback([&chosen, options] {
    chosen.command = [options](session& with) {
      return verify_cache(with, *options);
    };
  });
  auto* usage = group->add_subcommand("usage", "Who holds how much of it");
  auto limit = keep<std::uint32_t>();
  *limit = 20;
  usage->add_option("--limit", *limit, "Conversations shown, largest first")
      ->capture_default_str();
  usage->callback([&chosen, limit] {
    chosen.command = [limit](session& with) {
      return show_usage(with, *limit);
    };
  });
}

// A command about one conversation.
template <class Run>
CLI::App* add_about_one(CLI::App& group, invocation& chosen,
                        const std::string& name, const std::string& help,
                        Run run) {
  auto* command = group.add_subcommand(name, help);
  auto conversation = keep<std::string>();
  command->add_option("conversation", *conversation, conversation_help)
      ->required();
  command->callback([&chosen, conversation, run] {
    chosen.command = [conversation, run](session& with) {
      return run(with, *conversation);
    };
  });
  return command;
}

void add_export(CLI::App& group, invocation& chosen) {
  auto* command = group.add_subcommand("export", "Write one to a file");
  auto options = keep<export_options>();
  command->add_option("conversation", options->conversation, conversation_help)
      ->required();
  auto* file = command->add_option("file", options->file,
                                   "The .safetensors file with all of it");
  auto* directory = command->add_option("--directory", options->directory,
                                        "A file for each layer into it");
  file->excludes(directory);
  command->add_option("--format", options->format, "Of a directory's files")
      ->check(CLI::IsMember({"safetensors", "npy"}))
      ->capture_default_str();
  command->callback([&chosen, options] {
    if (options->file.empty() && options->directory.empty())
      throw CLI::RequiredError("file or --directory");
    chosen.command = [options](session& with) {
      return export_conversation(with, *options);
    };
  });
}

void add_import(CLI::App& group, invocation& chosen) {
  auto* command =
      group.add_subcommand("import", "Bring one that export wrote to a file");
  auto path = keep<std::string>();
  command->add_option("file", *path, "The file")->required();
  command->callback([&chosen, path] {
    chosen.command = [path](session& with) {
      return import_conversation(with, *path);
    };
  });
}

void add_conversations(CLI::App& app, invocation& chosen) {
  auto* group = app.add_subcommand("conversations", "What is kept");
  group->require_subcommand(1);
  auto* list = group->add_subcommand("list", "All of yours");
  auto options = keep<list_options>();
  list->add_option("--model", options->model, "Only those of this model");
  list->add_option("--limit", options->limit, "At most this many")
      ->capture_default_str();
  list->callback([&chosen, options] {
    chosen.command = [options](session& with) {
      return list_conversations(with, *options);
    };
  });
  auto ledger = keep<bool>();
  add_about_one(*group, chosen, "show", "One, with its text",
                [ledger](session& with, const std::string& id) {
                  return show_conversation(with, id, *ledger);
                })
      ->add_flag("--ledger", *ledger, "Also what is kept of every chunk");
  add_about_one(*group, chosen, "pin", "Keep one from ever being evicted",
                [](session& with, const std::string& id) {
                  return pin_conversation(with, id, true);
                });
  add_about_one(*group, chosen, "unpin", "Let one be evicted again",
                [](session& with, const std::string& id) {
                  return pin_conversation(with, id, false);
                });
  auto position = keep<std::uint32_t>();
  add_about_one(*group, chosen, "fork", "Begin a new one with its first tokens",
                [position](session& with, const std::string& id) {
                  return fork_conversation(with, id, *position);
                })
      ->add_option("position", *position, "How many tokens it begins with")
      ->required();
  add_sharing(*group, chosen);
  add_export(*group, chosen);
  add_import(*group, chosen);
  add_about_one(*group, chosen, "delete", "Remove one",
                [](session& with, const std::string& id) {
                  return delete_conversation(with, id);
                });
}

void add_plan(CLI::App& app, invocation& chosen) {
  auto* command = app.add_subcommand(
      "plan", "What capturing would take: disk, memory, time");
  auto options = keep<plan_options>();
  command->add_option("--model", options->model, "Default: the only one");
  command->add_option("--tokens", options->tokens, "Prompts and answers")
      ->required()
      ->check(CLI::Range(std::uint64_t{1}, limits::plan_tokens_max));
  command
      ->add_option("--quality", options->quality,
                   "Of the activations; default: as the daemon is configured")
      ->check(CLI::IsMember({"lossless", "high", "balanced", "small"}));
  command
      ->add_option(
          "--lens", options->lens,
          "Whether lens records are kept of every token; on_demand: no")
      ->check(CLI::IsMember({"eager", "deferred", "on_demand"}))
      ->capture_default_str();
  command->callback([&chosen, options] {
    chosen.command = [options](session& with) { return plan(with, *options); };
  });
}

void add_bench(CLI::App& app, invocation& chosen) {
  auto* group = app.add_subcommand(
      "bench", "Measure the daemon's models, or what is stored");
  group->require_subcommand(1);
  add_model_benches(*group, chosen);
  auto* command = group->add_subcommand(
      "codec", "What each quality does to a conversation's activations");
  auto options = keep<bench_codec_options>();
  command
      ->add_option("--conversation", options->conversation, conversation_help)
      ->required();
  command
      ->add_option("--positions", options->positions,
                   "BEGIN:END, as in 0:16; by default as many as are measured "
                   "at once")
      ->check(checked_by(parse_positions))
      ->capture_default_str();
  command->callback([&chosen, options] {
    chosen.command = [options](session& with) {
      return bench_codec(with, *options);
    };
  });
}

void add_common_options(CLI::App& app, common_options& common) {
  app.add_option("--endpoint", common.endpoint,
                 "unix:PATH, tcp://HOST:PORT or tls://HOST:PORT; also from "
                 "LAMINA_ENDPOINT")
      ->check(checked_by(
          [](const std::string& address) { return parse_endpoint(address); }));
  add_identity_options(app, common);
  app.add_flag("--json", common.json, "Print one JSON document");
  app.add_option("--color", common.color, "Colours in the output")
      ->check(CLI::IsMember({"auto", "always", "never"}))
      ->capture_default_str();
}

}  // namespace

std::variant<invocation, int> parse_arguments(int count, char** words) {
  CLI::App app(
      "Talks to laminad: writes text with its models, shows what "
      "every layer computed.",
      "lamina");
  invocation chosen;
  app.require_subcommand(1);
  // So that --json and --endpoint may also stand after the command.
  app.fallthrough();
  app.set_version_flag("--version", "lamina " LAMINA_VERSION);
  add_common_options(app, chosen.common);
  add_daemon_commands(app, chosen);
  add_generate(app, chosen);
  add_attach(app, chosen);
  add_lens(app, chosen);
  add_activations(app, chosen);
  add_search(app, chosen);
  add_plan(app, chosen);
  add_bench(app, chosen);
  add_cache(app, chosen);
  add_conversations(app, chosen);
  add_config(app, chosen);
  try {
    app.parse(count, words);
  } catch (const CLI::ParseError& problem) {
    const bool asked = app.exit(problem) == 0;  // prints help or the mistake
    return asked ? exit_code::ok : exit_code::usage;
  }
  return chosen;
}

}  // namespace lamina::cli

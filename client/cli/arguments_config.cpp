#include "client/cli/arguments_config.hpp"

#include <CLI/CLI.hpp>
#include <memory>

#include "client/cli/commands.hpp"

namespace lamina::cli {

void add_identity_options(CLI::App& app, common_options& common) {
  app.add_option("--token-file", common.token_file,
                 "Holds the token for tcp:// and tls://; else LAMINA_TOKEN or "
                 "LAMINA_TOKEN_FILE");
  app.add_option("--tls-ca", common.tls_ca,
                 "PEM file of the authorities to trust for tls://; also from "
                 "LAMINA_TLS_CA (default: the system's)");
}

void add_sharing(CLI::App& conversations, invocation& chosen) {
  auto id = std::make_shared<std::string>();
  auto group = std::make_shared<std::string>();
  auto* share = conversations.add_subcommand(
      "share", "Let the members of a group read one");
  share
      ->add_option("conversation", *id,
                   "An id, a prefix of one that is unique, or last")
      ->required();
  share->add_option("group", *group, "A group that you belong to")->required();
  share->callback([&chosen, id, group] {
    chosen.command = [id, group](session& with) {
      return share_conversation(with, *id, *group);
    };
  });
  auto* unshare =
      conversations.add_subcommand("unshare", "Make one private again");
  unshare
      ->add_option("conversation", *id,
                   "An id, a prefix of one that is unique, or last")
      ->required();
  unshare->callback([&chosen, id] {
    chosen.command = [id](session& with) {
      return share_conversation(with, *id, "");
    };
  });
}

void add_config(CLI::App& app, invocation& chosen) {
  auto* group = app.add_subcommand("config", "How the daemon is configured");
  group->require_subcommand(1);
  group
      ->add_subcommand("show", "Every key, its value, and where that came from")
      ->callback([&chosen] { chosen.command = show_configuration; });
}

}  // namespace lamina::cli

#include "client/cli/advice.hpp"
#include "client/cli/commands.hpp"
#include "client/cli/configuration_table.hpp"
#include "client/cli/tables.hpp"

namespace lamina::cli {

result<int> share_conversation(session& with, const std::string& conversation,
                               const std::string& group) {
  BOOST_OUTCOME_TRY(id, with.conversation(conversation));
  BOOST_OUTCOME_TRY(daemon, with.connect());
  BOOST_OUTCOME_TRY(shared, daemon->share(id, group));
  if (with.json()) {
    BOOST_OUTCOME_TRYV(write_out(print(to_json(shared))));
    return exit_code::ok;
  }
  const auto words = shared.group.empty() ? shared.id + " is private\n"
                                          : "members of " + shared.group +
                                                " may read " + shared.id + "\n";
  BOOST_OUTCOME_TRYV(write_out(words));
  return exit_code::ok;
}

result<int> show_configuration(session& with) {
  BOOST_OUTCOME_TRY(daemon, with.connect());
  BOOST_OUTCOME_TRY(text, daemon->configuration());
  const auto document = json::parse(text, nullptr, false);
  if (document.is_discarded())
    return fail(error_code::internal,
                "the daemon's configuration is not a JSON document");
  BOOST_OUTCOME_TRYV(
      write_out(with.json() ? print(document)
                            : render_configuration(document, with.look())));
  return exit_code::ok;
}

}  // namespace lamina::cli

#include "client/cli/advice.hpp"
#include "client/cli/commands.hpp"
#include "client/cli/tables.hpp"

namespace lamina::cli {
namespace {

// For commands whose success needs few words.
result<int> confirm(session& with, const json& document,
                    const std::string& sentence) {
  BOOST_OUTCOME_TRYV(
      write_out(with.json() ? print(document) : sentence + "\n"));
  return exit_code::ok;
}

}  // namespace

result<int> list_conversations(session& with, const list_options& options) {
  BOOST_OUTCOME_TRY(daemon, with.connect());
  wire::ListConversationsT request;
  request.model = options.model;
  request.limit = options.limit;
  BOOST_OUTCOME_TRY(conversations, daemon->conversations(request));
  BOOST_OUTCOME_TRYV(write_out(
      with.json()
          ? print(to_json(conversations))
          : render_conversations(conversations, with.look(), with.columns())));
  return exit_code::ok;
}

result<int> show_conversation(session& with, const std::string& conversation,
                              bool ledger) {
  BOOST_OUTCOME_TRY(daemon, with.connect());
  wire::ShowConversationT request;
  BOOST_OUTCOME_TRY(id, with.conversation(conversation));
  request.conversation = id;
  request.ledger = ledger;
  request.usage = true;
  BOOST_OUTCOME_TRY(shown, daemon->show(request));
  BOOST_OUTCOME_TRYV(write_out(with.json()
                                   ? print(to_json(shown))
                                   : render_conversation(shown, with.look())));
  return exit_code::ok;
}

result<int> pin_conversation(session& with, const std::string& conversation,
                             bool pinned) {
  BOOST_OUTCOME_TRY(daemon, with.connect());
  BOOST_OUTCOME_TRY(id, with.conversation(conversation));
  BOOST_OUTCOME_TRY(changed, daemon->pin(id, pinned));
  json document = summary(changed);
  document["conversation"] = id;
  return confirm(with, document,
                 id + (pinned ? " is pinned" : " is no longer pinned"));
}

result<int> fork_conversation(session& with, const std::string& conversation,
                              std::uint32_t position) {
  BOOST_OUTCOME_TRY(daemon, with.connect());
  BOOST_OUTCOME_TRY(id, with.conversation(conversation));
  BOOST_OUTCOME_TRY(fork, daemon->fork(id, position));
  json document = summary(fork);
  document["conversation"] = fork.id;
  return confirm(with, document, fork.id);
}

result<int> delete_conversation(session& with,
                                const std::string& conversation) {
  BOOST_OUTCOME_TRY(daemon, with.connect());
  BOOST_OUTCOME_TRY(id, with.conversation(conversation));
  BOOST_OUTCOME_TRYV(daemon->remove(id));
  return confirm(with, {{"conversation", id}, {"deleted", true}},
                 id + " is deleted");
}

}  // namespace lamina::cli

#include <optional>

#include "client/cli/advice.hpp"
#include "client/cli/commands.hpp"
#include "client/cli/interrupt.hpp"
#include "client/cli/progress_line.hpp"
#include "client/cli/ranges.hpp"
#include "client/cli/search_table.hpp"
#include "client/cli/vector_file.hpp"

namespace lamina::cli {
namespace {

enum query_kind : std::uint8_t { by_position = 1, by_vector = 2, by_text = 3 };

/// Which of the three questions is asked; invalid_argument when it is none.
result<query_kind> kind_of(const search_options& options) {
  const bool position = !options.position.empty();
  if (position != !options.conversation.empty())
    return fail(error_code::invalid_argument,
                "the query is a position of a conversation: --conversation "
                "and --position go together");
  if (position && !options.vector.empty())
    return fail(error_code::invalid_argument,
                "two queries: a position and a vector");
  if (position) return by_position;
  if (!options.vector.empty()) return by_vector;
  if (!options.text.empty()) return by_text;
  return fail(error_code::invalid_argument,
              "search for what? --conversation and --position, --vector, or "
              "--text");
}

std::uint8_t number_of_role(const std::string& name) {
  for (const auto who : {role::user, role::assistant, role::system})
    if (to_string(who) == name) return static_cast<std::uint8_t>(who);
  return 0;
}

std::uint8_t number_of_match(const std::string& name) {
  return name == "across" ? 1 : name == "within" ? 2 : 3;
}

/// All but what the daemon must be asked for.
result<wire::SearchT> make_request(const search_options& options,
                                   query_kind kind) {
  wire::SearchT request;
  request.query = kind;
  const auto at = site_from_string(options.site);
  if (!at)
    return fail(error_code::invalid_argument, "no site '" + options.site + "'");
  request.site = static_cast<std::uint8_t>(*at);
  if (kind != by_text && is_per_layer(*at) && !options.layer)
    return fail(error_code::invalid_argument, "which layer? Name it: --layer");
  request.layer = options.layer.value_or(0);
  request.metric = options.metric == "dot" ? 2 : 1;
  request.top = options.top;
  request.context_size = options.context;
  request.include_query = options.include_query;
  request.model = options.model;
  request.role = number_of_role(options.role);
  BOOST_OUTCOME_TRY(range, parse_positions(options.positions));
  request.position_begin = range.begin;
  request.position_end = range.end.value_or(0);
  request.text.assign(options.text.begin(), options.text.end());
  request.text_match = number_of_match(options.match);
  return request;
}

/// A search that Ctrl-C ends still shows the best so far.
result<wire::SearchResultT> run(session& with, client& daemon,
                                const wire::SearchT& request,
                                const std::vector<float>& vector,
                                bool& interrupted) {
  wire::SearchResultT newest;
  progress_line line(!with.json());
  const bool ranked = request.query != by_text;
  cancel_on_interrupt interrupt(daemon);
  auto found =
      daemon.search(request, vector, [&](const wire::SearchResultT& part) {
        newest = part;
        line.show(render_search_progress(part, ranked));
      });
  interrupted = interrupt.happened();
  if (!found && interrupted && found.error().code == error_code::cancelled)
    return newest;
  return found;
}

}  // namespace

result<int> search(session& with, const search_options& options) {
  BOOST_OUTCOME_TRY(kind, kind_of(options));
  BOOST_OUTCOME_TRY(request, make_request(options, kind));
  std::vector<float> vector;
  if (kind == by_vector) {
    BOOST_OUTCOME_TRY(read, read_vector(options.vector, options.tensor));
    vector = std::move(read);
  }
  BOOST_OUTCOME_TRY(daemon, with.connect());
  if (kind == by_position) {
    BOOST_OUTCOME_TRY(id, with.conversation(options.conversation));
    request.conversation = id;
    BOOST_OUTCOME_TRY(position, find_position(*daemon, id, options.position));
    request.position = position;
  }
  for (const auto& words : options.in) {
    BOOST_OUTCOME_TRY(id, with.conversation(words));
    request.conversations.push_back(id);
  }
  bool interrupted = false;
  BOOST_OUTCOME_TRY(found, run(with, *daemon, request, vector, interrupted));
  const bool ranked = kind != by_text;
  BOOST_OUTCOME_TRYV(write_out(
      with.json() ? print(to_json(found, ranked))
                  : render_search(found, ranked, with.look(), with.columns())));
  return interrupted ? exit_code::interrupted : exit_code::ok;
}

}  // namespace lamina::cli

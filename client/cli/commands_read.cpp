#include <fmt/format.h>

#include <charconv>

#include "client/cli/advice.hpp"
#include "client/cli/commands.hpp"
#include "client/cli/ranges.hpp"
#include "client/cli/tensor_files.hpp"

namespace lamina::cli {
namespace {

result<wire::ConversationT> look_up(client& daemon, const std::string& id) {
  wire::ShowConversationT request;
  request.conversation = id;
  return daemon.show(request);
}

result<wire::GetActivationsT> make_request(
    const std::string& id, const wire::ConversationT& conversation,
    const activations_options& options) {
  wire::GetActivationsT request;
  request.conversation = id;
  BOOST_OUTCOME_TRY(range, parse_positions(options.positions));
  request.position_begin = range.begin;
  request.position_end = range.end.value_or(conversation.positions);
  if (request.position_end <= request.position_begin)
    return fail(error_code::out_of_range,
                fmt::format("conversation {} has {} positions: none from {}",
                            id, conversation.positions, range.begin));
  if (!options.layers.empty()) {
    BOOST_OUTCOME_TRY(layers, parse_layers(options.layers));
    for (const auto layer : layers) {
      if (layer == embed_layer)
        return fail(error_code::invalid_argument,
                    "the embedding is a site here: --sites embed");
      request.layers.push_back(static_cast<std::uint16_t>(layer));
    }
  }
  BOOST_OUTCOME_TRY(sites, parse_sites(options.sites));
  for (const auto wanted : sites)
    request.sites.push_back(static_cast<std::uint8_t>(wanted));
  request.exact = options.exact;
  return request;
}

}  // namespace

result<position_t> find_position(client& daemon, const std::string& id,
                                 const std::string& words) {
  if (words == "last") {
    BOOST_OUTCOME_TRY(conversation, look_up(daemon, id));
    if (conversation.positions == 0)
      return fail(error_code::out_of_range,
                  "conversation " + id + " has no tokens yet");
    return conversation.positions - 1;
  }
  position_t position = 0;
  const char* const end = words.data() + words.size();
  const auto parsed = std::from_chars(words.data(), end, position);
  if (parsed.ec != std::errc{} || parsed.ptr != end)
    return fail(error_code::invalid_argument,
                "position '" + words + "': expected a number or last");
  return position;
}

result<int> save_activations(session& with,
                             const activations_options& options) {
  BOOST_OUTCOME_TRY(daemon, with.connect());
  BOOST_OUTCOME_TRY(id, with.conversation(options.conversation));
  BOOST_OUTCOME_TRY(conversation, look_up(*daemon, id));
  BOOST_OUTCOME_TRY(request, make_request(id, conversation, options));
  BOOST_OUTCOME_TRY(activations, daemon->activations(request));
  BOOST_OUTCOME_TRYV(
      write_activations(options.output, activations, conversation.model));
  BOOST_OUTCOME_TRYV(write_out(
      with.json()
          ? print(to_json(activations, options.output))
          : fmt::format("{}: {} of [{}, {}] {}, from {}{}\n", options.output,
                        activations.slots.size(), activations.positions(),
                        activations.width, to_string(activations.dtype),
                        activations.source,
                        activations.exact
                            ? ", exact"
                            : fmt::format(", within {:.2g} of a row's size",
                                          activations.relative_error))));
  return exit_code::ok;
}

}  // namespace lamina::cli

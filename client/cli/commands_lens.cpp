#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <utility>

#include "client/cli/advice.hpp"
#include "client/cli/commands.hpp"
#include "client/cli/interrupt.hpp"
#include "client/cli/lens_table.hpp"
#include "client/cli/output_file.hpp"
#include "client/cli/ranges.hpp"
#include "client/cli/text.hpp"

namespace lamina::cli {
namespace {

/// A click answers what is kept of one position; all else is a range.
bool is_click(const lens_options& options) {
  return !options.position.empty() && options.top_k <= 10 &&
         options.track.empty() && options.lens.empty() && !options.exact &&
         !options.follow;
}

result<void> check(const lens_options& options) {
  if (options.conversation.empty())
    return fail(error_code::invalid_argument, "which conversation?");
  const bool range = !options.positions.empty();
  if (range && !options.position.empty())
    return fail(error_code::invalid_argument,
                "a position and a range: one of them");
  if (!range && options.position.empty() && !options.follow)
    return fail(error_code::invalid_argument,
                "which position? A number, last, --positions BEGIN:END or "
                "--follow");
  if (options.follow && !options.output.empty())
    return fail(error_code::invalid_argument,
                "--follow shows what comes: redirect it instead of --output");
  return success();
}

/// "#262" is an id, everything else the text of a token.
result<void> add_tracked(const std::string& words, wire::ReadLensT& request) {
  if (!words.starts_with('#')) {
    request.track_texts.push_back(words);
    return success();
  }
  std::uint32_t id = 0;
  const char* const end = words.data() + words.size();
  const auto parsed = std::from_chars(words.data() + 1, end, id);
  if (parsed.ec != std::errc{} || parsed.ptr != end)
    return fail(error_code::invalid_argument,
                "--track '" + words + "': expected #ID or a text");
  request.track.push_back(id);
  return success();
}

result<wire::ReadLensT> range_request(client& daemon, const std::string& id,
                                      const lens_options& options) {
  wire::ReadLensT request;
  request.conversation = id;
  if (!options.position.empty()) {
    BOOST_OUTCOME_TRY(at, find_position(daemon, id, options.position));
    request.position_begin = at;
    request.position_end = at + 1;
  } else if (!options.positions.empty()) {
    BOOST_OUTCOME_TRY(range, parse_positions(options.positions));
    request.position_begin = range.begin;
    request.position_end = range.end.value_or(0);
  }
  if (!options.layers.empty()) {
    BOOST_OUTCOME_TRY(layers, parse_layers(options.layers));
    request.layers = layers;
  }
  request.top_k = options.top_k;
  request.lens = options.lens;
  request.exact = options.exact;
  request.follow = options.follow;
  for (const auto& words : options.track) {
    BOOST_OUTCOME_TRYV(add_tracked(words, request));
  }
  return request;
}

result<void> deliver(const lens_options& options, const std::string& text) {
  if (options.output.empty()) return write_out(text);
  const std::array parts{std::as_bytes(std::span(text))};
  return write_whole_file(options.output, parts);
}

result<int> show_click(session& with, client& daemon, const std::string& id,
                       const lens_options& options) {
  wire::GetLensT request;
  BOOST_OUTCOME_TRY(position, find_position(daemon, id, options.position));
  request.conversation = id;
  request.positions = {position};
  if (!options.layers.empty()) {
    BOOST_OUTCOME_TRY(layers, parse_layers(options.layers));
    request.layers = layers;
  }
  request.top_k = options.top_k;
  request.context_size = options.context;
  BOOST_OUTCOME_TRY(lens, daemon.lens(request));
  BOOST_OUTCOME_TRYV(
      deliver(options, with.json() || !options.output.empty()
                           ? print(to_json(lens))
                           : render_lens(lens, with.look(), with.columns())));
  return exit_code::ok;
}

/// All of it, then one table or document.
result<int> show_range(session& with, client& daemon,
                       const wire::ReadLensT& request,
                       const lens_options& options) {
  wire::LensResultT all;
  cancel_on_interrupt interrupt(daemon);
  BOOST_OUTCOME_TRY(end, daemon.read_lens(request, [&](wire::LensResultT part) {
    take_part(all, std::move(part));
  }));
  take_part(all, end);
  const bool document = with.json() || !options.output.empty();
  BOOST_OUTCOME_TRYV(deliver(
      options, document ? print(range_to_json(all, request.lens))
                        : render_lens_range(all, with.look(), with.columns())));
  return exit_code::ok;
}

/// Each position as it comes: a table's rows, or a document a line.
result<int> follow_range(session& with, client& daemon,
                         const wire::ReadLensT& request) {
  std::optional<error> unwritten;
  const auto show = [&](const wire::LensResultT& part) {
    if (unwritten) return;
    std::string text;
    for (const auto& at : part.positions)
      text += with.json() ? print_line(position_to_json(*at))
                          : render_lens_rows(*at, with.look(), with.columns());
    if (auto written = write_out(text); !written) {
      unwritten = written.error();
      daemon.cancel_running();
    }
  };
  cancel_on_interrupt interrupt(daemon);
  const auto end = daemon.read_lens(request, show);
  if (unwritten) return *unwritten;
  if (!end && interrupt.happened() && end.error().code == error_code::cancelled)
    return exit_code::interrupted;
  if (!end) return end.error();
  return exit_code::ok;
}

}  // namespace

result<int> show_lens(session& with, const lens_options& options) {
  BOOST_OUTCOME_TRYV(check(options));
  BOOST_OUTCOME_TRY(daemon, with.connect());
  BOOST_OUTCOME_TRY(id, with.conversation(options.conversation));
  if (is_click(options)) return show_click(with, *daemon, id, options);
  BOOST_OUTCOME_TRY(request, range_request(*daemon, id, options));
  if (options.follow) return follow_range(with, *daemon, request);
  return show_range(with, *daemon, request, options);
}

result<int> backfill_lens(session& with, const std::string& conversation) {
  BOOST_OUTCOME_TRY(daemon, with.connect());
  BOOST_OUTCOME_TRY(id, with.conversation(conversation));
  wire::ReadLensT request;
  request.conversation = id;
  request.backfill = true;
  const bool shown = !with.json() && ::isatty(STDERR_FILENO) == 1;
  cancel_on_interrupt interrupt(*daemon);
  const auto end =
      daemon->read_lens(request, [&](const wire::LensResultT& part) {
        if (shown)
          write_error(fmt::format("\r\x1b[K{} of {} positions",
                                  part.positions_done, part.positions_total));
      });
  if (shown) write_error("\r\x1b[K");
  if (!end && interrupt.happened() && end.error().code == error_code::cancelled)
    return exit_code::interrupted;
  if (!end) return end.error();
  const auto& counts = end.value();
  BOOST_OUTCOME_TRYV(
      write_out(with.json() ? print({{"conversation", id},
                                     {"positions", counts.positions_done},
                                     {"computed", counts.positions_computed}})
                            : fmt::format("{}: {} positions, {} computed\n", id,
                                          counts.positions_done,
                                          counts.positions_computed)));
  return exit_code::ok;
}

}  // namespace lamina::cli

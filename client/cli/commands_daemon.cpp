#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "client/cli/advice.hpp"
#include "client/cli/commands.hpp"
#include "client/cli/tables.hpp"

namespace lamina::cli {

result<int> show_status(session& with) {
  BOOST_OUTCOME_TRY(daemon, with.connect());
  BOOST_OUTCOME_TRY(text, daemon->status());
  // Parsed even for --json: one well-formed document, in our layout.
  const auto status = json::parse(text, nullptr, false);
  if (status.is_discarded())
    return fail(error_code::internal,
                "the daemon's status is not a JSON document");
  BOOST_OUTCOME_TRYV(write_out(
      with.json() ? print(status) : render_status(status, with.look())));
  return exit_code::ok;
}

result<int> ping(session& with, std::uint32_t count) {
  using clock = std::chrono::steady_clock;
  BOOST_OUTCOME_TRY(daemon, with.connect());
  std::vector<double> times_us;
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto begin = clock::now();
    BOOST_OUTCOME_TRYV(daemon->ping(i + 1));
    const std::chrono::duration<double, std::micro> took = clock::now() - begin;
    times_us.push_back(took.count());
  }
  std::sort(times_us.begin(), times_us.end());
  const double median_us = times_us[times_us.size() / 2];
  const std::string server = daemon->welcome().server;
  const json document{{"server", server},
                      {"count", count},
                      {"round_trip_us", median_us},
                      {"round_trip_us_min", times_us.front()},
                      {"round_trip_us_max", times_us.back()}};
  BOOST_OUTCOME_TRYV(write_out(
      with.json() ? print(document)
                  : fmt::format("{} answers in {:.0f} us (best {:.0f}, worst "
                                "{:.0f}, of {})\n",
                                server, median_us, times_us.front(),
                                times_us.back(), count)));
  return exit_code::ok;
}

}  // namespace lamina::cli

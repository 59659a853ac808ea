#include "daemon/settings.hpp"

#include <algorithm>

#include "daemon/log_parts.hpp"
#include "daemon/setting_kinds.hpp"
#include "protocol/endpoint.hpp"

namespace lamina {

using namespace kinds;

namespace {

/// Levels of parts of the log.
result<std::map<std::string, std::string>> read_levels(const yaml_value& v) {
  if (!v.node().IsMap()) return v.refusal("expected PART: LEVEL");
  std::map<std::string, std::string> levels;
  for (const auto& entry : v.node()) {
    BOOST_OUTCOME_TRY(part, v.at(entry.first).text("a part of the log"));
    BOOST_OUTCOME_TRY(level, v.at(entry.second).text("a level"));
    if (std::ranges::find(log_parts(), part) == log_parts().end())
      return v.at(entry.first)
          .refusal(unknown_word("part of the log", part, log_parts()));
    if (!is_log_level(level))
      return v.at(entry.second)
          .refusal("'" + level + "' is not trace, debug, info, warn or error");
    levels[part] = level;
  }
  return levels;
}

std::vector<setting> make_settings() {
  constexpr uint64_t day_ms = 24 * 3600 * 1000;
  std::vector<setting> all{
      path("state_dir", "a directory", &configuration::state_directory,
           at_start),
      megabytes("kv_cache_mb", &configuration::kv_bytes_max, at_start),
      megabytes("kv_running_mb", &configuration::kv_running_bytes_max,
                at_start),
      of<std::uint32_t>("max_sequences", "a number from 1 to 1024",
                        &configuration::sequences_max, at_start,
                        [](const yaml_value& v) -> result<std::uint32_t> {
                          BOOST_OUTCOME_TRY(
                              count,
                              v.whole(1, 1'024, "a number from 1 to 1024"));
                          return static_cast<std::uint32_t>(count);
                        }),
      megabytes("lens_backlog_mb", &configuration::lens_backlog_bytes_max,
                at_start),
      megabytes("in_flight_mb", &configuration::in_flight_bytes_max, at_start),
      word<backpressure>(
          "backpressure", "wait or drop", &configuration::when_full,
          [](const std::string& text) { return backpressure_named(text); },
          [](const backpressure& b) {
            return json(b == backpressure::wait ? "wait" : "drop");
          },
          at_start),
      whole("abandon_after_ms", "milliseconds up to a day",
            &configuration::abandon_after_ms, day_ms, live),
      whole("drain_ms", "milliseconds up to a day", &configuration::drain_ms,
            day_ms, live),
      whole("threads", "0 to 1024", &configuration::threads, 1'024, at_start),
      word<std::string>(
          "log_level", "trace, debug, info, warn or error",
          &configuration::log_level,
          [](const std::string& text) {
            return is_log_level(text) ? std::optional(text) : std::nullopt;
          },
          [](const std::string& text) { return json(text); }, live),
      of<std::map<std::string, std::string>>(
          "log_levels", "PART: LEVEL", &configuration::log_levels, live,
          read_levels,
          [](const std::map<std::string, std::string>& levels) {
            return levels.empty() ? json() : json(levels);
          }),
      of<std::string>(
          "metrics", "an address on this machine", &configuration::metrics,
          at_start,
          [](const yaml_value& v) -> result<std::string> {
            BOOST_OUTCOME_TRY(text, v.text("an address on this machine"));
            if (auto parsed = parse_endpoint(text); !parsed)
              return v.refusal(parsed.error().context);
            return text;
          },
          [](const std::string& text) {
            return text.empty() ? json() : json(text);
          }),
  };
  for (const auto& table :
       {cache_settings(), hosting_settings(), peer_settings()})
    all.insert(all.end(), table.begin(), table.end());
  std::ranges::sort(all, {}, &setting::key);
  return all;
}

}  // namespace

const std::vector<setting>& settings() {
  static const auto all = make_settings();
  return all;
}

}  // namespace lamina

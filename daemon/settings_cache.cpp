// What is kept, where and for how long.
#include "daemon/setting_kinds.hpp"

namespace lamina {

using namespace kinds;

std::vector<setting> cache_settings() {
  const auto qualities = "lossless, high, balanced or small";
  return {
      megabytes("cache.memory.max_size_mb", &configuration::memory_bytes_max,
                live),
      // One policy, so nothing is kept of it.
      {"cache.memory.eviction_policy", "lru",
       [](const yaml_value& v, configuration&) -> result<void> {
         BOOST_OUTCOME_TRY(text, v.text("lru"));
         if (text == "lru") return success();
         return v.refusal("'" + text + "' is not lru");
       },
       [](const configuration&) { return json("lru"); }},
      path("cache.disk.directory", "a directory",
           &configuration::disk_directory, at_start),
      gigabytes("cache.disk.max_size_gb", &configuration::disk_bytes_max),
      gigabytes("cache.disk.records_max_size_gb",
                &configuration::records_bytes_max),
      word<quality>(
          "cache.disk.compression", qualities, &configuration::kept,
          [](const std::string& text) { return quality_named(text); },
          [](const quality& q) { return json(to_string(q)); }, at_start),
      whole("cache.ttl.memory_minutes",
            "minutes up to 1000000, or 0 for no limit",
            &configuration::memory_ttl_minutes, 1'000'000, live),
      whole("cache.ttl.disk_days", "days up to 1000000, or 0 for no limit",
            &configuration::disk_ttl_days, 1'000'000, live),
      whole("cache.ttl.records_days", "days up to 1000000, or 0 for no limit",
            &configuration::records_ttl_days, 1'000'000, live),
      flag("cache.restore_recomputed", &configuration::restore_recomputed,
           live),
      flag("cache.recompute_on_read", &configuration::recompute_on_read, live),
      flag("cache.prefetch.enabled", &configuration::prefetch_enabled, live),
      whole("cache.prefetch.range", "0 to 1024 positions",
            &configuration::prefetch_range, 1'024, live),
  };
}

}  // namespace lamina

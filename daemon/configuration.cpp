#include "daemon/configuration.hpp"

#include <yaml-cpp/yaml.h>

#include <cstdlib>
#include <functional>
#include <map>

namespace lamina {
namespace {

/// Reads one mapping: every key has a reader, every other key is an error.
class section {
 public:
  section(std::string file, std::string where, const YAML::Node& node)
      : file_(std::move(file)), where_(std::move(where)), node_(node) {}

  using reader = std::function<result<void>(const YAML::Node&)>;

  result<void> read(const std::map<std::string, reader>& keys) const {
    if (!node_.IsMap()) return refuse(node_, where_ + " must be a mapping");
    for (const auto& entry : node_) {
      auto key = entry.first.as<std::string>();
      auto known = keys.find(key);
      if (known == keys.end())
        return refuse(entry.first, "unknown key '" + key + "' in " + where_ +
                                       "; known: " + list(keys));
      BOOST_OUTCOME_TRYV(known->second(entry.second));
    }
    return success();
  }

  /// A reader of one value of type T.
  template <class T>
  reader value(T& target, const char* expected,
               std::function<bool(const T&)> possible = nullptr) const {
    return [this, &target, expected,
            possible](const YAML::Node& n) -> result<void> {
      try {
        auto read = n.as<T>();
        if (possible && !possible(read))
          return refuse(
              n, "'" + n.Scalar() + "' is not possible: expected " + expected);
        target = read;
        return success();
      } catch (const YAML::Exception&) {
        return refuse(n, "'" + (n.IsScalar() ? n.Scalar() : "...") +
                             "' is not " + expected);
      }
    };
  }

  reader megabytes(std::uint64_t& bytes) const {
    return [this, &bytes](const YAML::Node& n) -> result<void> {
      std::uint64_t number = 0;
      auto read_number = value<std::uint64_t>(
          number, "a number of megabytes from 1 to 16777216",
          [](const std::uint64_t& v) { return v >= 1 && v <= 1u << 24; });
      BOOST_OUTCOME_TRYV(read_number(n));
      bytes = number << 20;
      return success();
    };
  }

  reader gigabytes(std::uint64_t& bytes) const {
    return [this, &bytes](const YAML::Node& n) -> result<void> {
      double number = 0;
      auto read_number = value<double>(
          number, "a number of gigabytes from 0.001 to 16777216",
          [](const double& v) { return v >= 0.001 && v <= (1u << 24); });
      BOOST_OUTCOME_TRYV(read_number(n));
      bytes = static_cast<std::uint64_t>(number * (std::uint64_t{1} << 30));
      return success();
    };
  }

  template <class Target>
  reader kept_as(Target& target) const {
    return [this, &target](const YAML::Node& n) -> result<void> {
      std::string name;
      auto read_name = value<std::string>(
          name, "lossless, high, balanced or small",
          [](const std::string& v) { return quality_named(v).has_value(); });
      BOOST_OUTCOME_TRYV(read_name(n));
      target = *quality_named(name);
      return success();
    };
  }

  /// Files by a name that a client may say.
  reader files(std::map<std::string, std::filesystem::path>& named) const {
    return [this, &named](const YAML::Node& n) -> result<void> {
      if (!n.IsMap()) return refuse(n, "expected NAME: FILE");
      for (const auto& entry : n) {
        if (!entry.second.IsScalar() || entry.first.Scalar().empty() ||
            entry.second.Scalar().empty())
          return refuse(entry.second, "expected NAME: FILE");
        named[entry.first.Scalar()] = entry.second.Scalar();
      }
      return success();
    };
  }

  reader directories(std::vector<std::filesystem::path>& listed) const {
    return [this, &listed](const YAML::Node& n) -> result<void> {
      if (!n.IsSequence()) return refuse(n, "expected a list of directories");
      for (const auto& item : n) {
        if (!item.IsScalar() || !item.Scalar().starts_with('/'))
          return refuse(item, "expected an absolute path");
        listed.emplace_back(item.Scalar());
      }
      return success();
    };
  }

  /// 0 stands for no limit.
  reader span_of_time(std::uint32_t& number, const char* expected) const {
    return value<std::uint32_t>(number, expected, [](const std::uint32_t& v) {
      return v <= 1'000'000;
    });
  }

  reader nested(const std::string& name,
                std::function<result<void>(const section&)> then) const {
    return [this, name, then](const YAML::Node& n) {
      return then(section(file_, name, n));
    };
  }

  reader each(std::function<result<void>(const section&)> then) const {
    return [this, then](const YAML::Node& n) -> result<void> {
      if (!n.IsSequence()) return refuse(n, "expected a list");
      for (const auto& item : n) {
        BOOST_OUTCOME_TRYV(then(section(file_, "an entry", item)));
      }
      return success();
    };
  }

  result<void> refuse(const YAML::Node& at, const std::string& what) const {
    return fail(error_code::invalid_argument,
                file_ + ":" + std::to_string(at.Mark().line + 1) + ": " + what);
  }

  const YAML::Node& node() const { return node_; }

 private:
  static std::string list(const std::map<std::string, reader>& keys) {
    std::string text;
    for (const auto& [key, unused] : keys)
      text += (text.empty() ? "" : ", ") + key;
    return text;
  }

  std::string file_;
  std::string where_;
  YAML::Node node_;
};

result<void> read_model(const section& entry,
                        std::vector<configured_model>& models) {
  configured_model m;
  std::string path;
  std::string type;
  BOOST_OUTCOME_TRYV(entry.read({
      {"name", entry.value<std::string>(m.name, "a name")},
      {"path", entry.value<std::string>(path, "a directory")},
      {"dtype",
       entry.value<std::string>(type, "float32, bfloat16 or float16",
                                [](const std::string& t) {
                                  return dtype_from_string(t).has_value();
                                })},
      {"compression", entry.kept_as(m.kept)},
      {"tuned_lens", entry.files(m.lenses)},
  }));
  if (m.name.empty() || path.empty())
    return entry.refuse(entry.node(), "a model needs a name and a path");
  m.directory = path;
  if (!type.empty()) m.compute = dtype_from_string(type);
  models.push_back(std::move(m));
  return success();
}

result<void> read_disk(const section& disk, configuration& c) {
  std::string directory;
  BOOST_OUTCOME_TRYV(disk.read({
      {"directory", disk.value<std::string>(directory, "a directory")},
      {"max_size_gb", disk.gigabytes(c.disk_bytes_max)},
      {"records_max_size_gb", disk.gigabytes(c.records_bytes_max)},
      {"compression", disk.kept_as(c.kept)},
  }));
  if (!directory.empty()) c.disk_directory = directory;
  return success();
}

result<void> read_ttl(const section& ttl, configuration& c) {
  return ttl.read({
      {"memory_minutes",
       ttl.span_of_time(c.memory_ttl_minutes, "minutes, or 0 for no limit")},
      {"disk_days",
       ttl.span_of_time(c.disk_ttl_days, "days, or 0 for no limit")},
      {"records_days",
       ttl.span_of_time(c.records_ttl_days, "days, or 0 for no limit")},
  });
}

result<void> read_prefetch(const section& prefetch, configuration& c) {
  return prefetch.read({
      {"enabled", prefetch.value<bool>(c.prefetch_enabled, "true or false")},
      {"range", prefetch.value<std::uint32_t>(
                    c.prefetch_range, "0 to 1024 positions",
                    [](const std::uint32_t& v) { return v <= 1024; })},
  });
}

result<void> read_memory(const section& memory, configuration& c) {
  std::string policy;
  return memory.read({
      {"max_size_mb", memory.megabytes(c.memory_bytes_max)},
      {"eviction_policy",
       memory.value<std::string>(
           policy, "lru", [](const std::string& v) { return v == "lru"; })},
  });
}

result<void> read_cache(const section& cache, configuration& c) {
  return cache.read({
      {"memory",
       cache.nested("cache.memory",
                    [&](const section& s) { return read_memory(s, c); })},
      {"disk", cache.nested("cache.disk",
                            [&](const section& s) { return read_disk(s, c); })},
      {"ttl", cache.nested("cache.ttl",
                           [&](const section& s) { return read_ttl(s, c); })},
      {"restore_recomputed",
       cache.value<bool>(c.restore_recomputed, "true or false")},
      {"recompute_on_read",
       cache.value<bool>(c.recompute_on_read, "true or false")},
      {"prefetch",
       cache.nested("cache.prefetch",
                    [&](const section& s) { return read_prefetch(s, c); })},
  });
}

result<void> read_all(const section& top, configuration& c) {
  std::string state, when_full;
  BOOST_OUTCOME_TRYV(top.read({
      {"listen", top.value<std::string>(c.listen, "an address, unix:PATH")},
      {"state_dir", top.value<std::string>(state, "a directory")},
      {"models", top.each([&](const section& entry) {
         return read_model(entry, c.models);
       })},
      {"model_roots", top.directories(c.model_roots)},
      {"model_memory_mb", top.megabytes(c.model_memory_bytes)},
      {"cache",
       top.nested("cache", [&](const section& s) { return read_cache(s, c); })},
      {"kv_cache_mb", top.megabytes(c.kv_bytes_max)},
      {"lens_backlog_mb", top.megabytes(c.lens_backlog_bytes_max)},
      {"in_flight_mb", top.megabytes(c.in_flight_bytes_max)},
      {"backpressure",
       top.value<std::string>(when_full, "wait or drop",
                              [](const std::string& v) {
                                return backpressure_named(v).has_value();
                              })},
      {"abandon_after_ms",
       top.value<std::uint32_t>(c.abandon_after_ms, "milliseconds")},
      {"drain_ms", top.value<std::uint32_t>(c.drain_ms, "milliseconds")},
      {"threads",
       top.value<int>(c.threads, "0 to 1024",
                      [](const int& v) { return v >= 0 && v <= 1024; })},
      {"log_level",
       top.value<std::string>(c.log_level, "trace, debug, info, warn or error",
                              is_log_level)},
  }));
  if (!state.empty()) c.state_directory = state;
  if (!when_full.empty()) c.when_full = *backpressure_named(when_full);
  return success();
}

}  // namespace

result<configuration> read_configuration(const std::filesystem::path& file) {
  try {
    auto root = YAML::LoadFile(file.string());
    configuration c;
    if (root.IsNull()) return c;
    BOOST_OUTCOME_TRYV(
        read_all(section(file.string(), "the configuration", root), c));
    return c;
  } catch (const YAML::BadFile&) {
    return fail(error_code::not_found, "cannot read " + file.string());
  } catch (const YAML::Exception& e) {
    return fail(
        error_code::invalid_argument,
        file.string() + ":" + std::to_string(e.mark.line + 1) + ": " + e.msg);
  }
}

bool is_log_level(const std::string& text) {
  for (const char* known : {"trace", "debug", "info", "warn", "error"})
    if (text == known) return true;
  return false;
}

result<configured_model> parse_model_argument(const std::string& text) {
  auto equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size())
    return fail(error_code::invalid_argument,
                "--model '" + text + "': expected NAME=DIRECTORY");
  return configured_model{text.substr(0, equals), text.substr(equals + 1)};
}

result<std::filesystem::path> default_state_directory() {
  if (const char* state = std::getenv("XDG_STATE_HOME"); state && *state)
    return std::filesystem::path(state) / "lamina";
  if (const char* home = std::getenv("HOME"); home && *home)
    return std::filesystem::path(home) / ".local/state/lamina";
  return fail(error_code::invalid_argument,
              "neither XDG_STATE_HOME nor HOME is set: give --state-dir");
}

result<std::filesystem::path> demo_model_directory() {
  for (const char* candidate :
       {LAMINA_SOURCE_MODELS "/demo", LAMINA_INSTALLED_MODELS "/demo"})
    if (std::filesystem::exists(std::filesystem::path(candidate) /
                                "config.json"))
      return std::filesystem::path(candidate);
  return fail(error_code::not_found,
              "the demo model is neither in " LAMINA_SOURCE_MODELS
              " nor in " LAMINA_INSTALLED_MODELS);
}

}  // namespace lamina

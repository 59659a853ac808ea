#include "daemon/metrics_text.hpp"

#include <algorithm>
#include <cassert>
#include <nlohmann/json.hpp>
#include <utility>

#include "actors/request_statistics.hpp"

namespace lamina {
namespace {

using nlohmann::json;
using labels = std::vector<std::pair<std::string_view, std::string>>;

std::string escaped(std::string_view value) {
  std::string text;
  for (const char c : value) {
    if (c == '\\' || c == '"') text += '\\';
    if (c == '\n')
      text += "\\n";
    else
      text += c;
  }
  return text;
}

std::string seconds_text(double us) {
  return json(us / 1e6).dump();
}

/// Writes the lines of one metric after the other.
class exposition {
 public:
  /// The lines that follow are this metric's.
  void begin(std::string_view name) {
    const auto known = std::ranges::find(metrics(), name, &metric::name);
    assert(known != metrics().end());
    text_.append("# HELP ").append(name).append(" ").append(known->help);
    text_.append("\n# TYPE ").append(name).append(" ").append(known->type);
    text_ += '\n';
    name_ = name;
  }

  void line(const labels& of, const std::string& value,
            std::string_view suffix = "") {
    text_.append(name_).append(suffix);
    for (std::size_t i = 0; i < of.size(); ++i)
      text_.append(i == 0 ? "{" : ",")
          .append(of[i].first)
          .append("=\"")
          .append(escaped(of[i].second))
          .append("\"");
    if (!of.empty()) text_ += '}';
    text_.append(" ").append(value).append("\n");
  }

  /// A number of the document, if it is there; truth counts as 1.
  void number(const json& document, const char* at, const labels& of = {}) {
    const json::json_pointer place(at);
    if (!document.contains(place)) return;
    const auto& value = document.at(place);
    if (value.is_boolean()) return line(of, value.get<bool>() ? "1" : "0");
    if (value.is_number()) line(of, value.dump());
  }

  void one(std::string_view name, const json& document, const char* at) {
    begin(name);
    number(document, at);
  }

  void sum(const json& list, const char* key, const labels& of) {
    if (!list.is_array()) return;
    std::uint64_t total = 0;
    for (const auto& item : list)
      if (item.contains(key)) total += item.at(key).get<std::uint64_t>();
    line(of, std::to_string(total));
  }

  std::string take() { return std::move(text_); }

 private:
  std::string text_;
  std::string_view name_;
};

const json& member(const json& document, const char* key) {
  static const json nothing = json::object();
  const auto found = document.find(key);
  return found == document.end() ? nothing : *found;
}

void write_process(exposition& out, const json& s) {
  out.begin("lamina_build_info");
  out.line({{"version", s.value("version", std::string())}}, "1");
  out.one("lamina_uptime_seconds", s, "/uptime_s");
  out.one("lamina_resident_bytes", s, "/resident_bytes");
  out.one("lamina_open_files", s, "/open_files");
  out.one("lamina_connections", s, "/connections");
  out.one("lamina_damages_total", s, "/damages");
  out.begin("lamina_actor_up");
  for (const auto& [name, actor] : member(s, "actors").items())
    out.line({{"actor", name}}, actor.value("health", "") == "up" ? "1" : "0");
  out.begin("lamina_actor_deaths_total");
  for (const auto& [name, actor] : member(s, "actors").items())
    out.number(actor, "/deaths", {{"actor", name}});
}

/// Buckets of the format contain those below them.
void write_histogram(exposition& out, const std::string& name,
                     const json& took) {
  std::uint64_t below = 0;
  const auto& buckets = member(took, "buckets");
  for (std::size_t i = 0; i < buckets.size(); ++i) {
    below += buckets[i].get<std::uint64_t>();
    const bool last = i >= latency_bounds_us.size();
    out.line({{"request", name},
              {"le",
               last ? "+Inf"
                    : seconds_text(static_cast<double>(latency_bounds_us[i]))}},
             std::to_string(below), "_bucket");
  }
  out.line({{"request", name}}, seconds_text(took.value("sum_us", 0.0)),
           "_sum");
  out.line({{"request", name}}, std::to_string(below), "_count");
}

void write_requests(exposition& out, const json& s) {
  const auto& requests = member(s, "requests");
  out.begin("lamina_request_seconds");
  for (const auto& [name, took] : member(requests, "kinds").items())
    write_histogram(out, name, took);
  out.begin("lamina_request_errors_total");
  for (const auto& [code, count] : member(requests, "errors").items())
    out.line({{"code", code}}, count.dump());
}

void write_models(exposition& out, const json& s) {
  const auto& models = member(s, "models");
  auto each = [&](std::string_view metric_name, const char* at) {
    out.begin(metric_name);
    for (const auto& [name, model] : models.items())
      out.number(model, at, {{"model", name}});
  };
  out.begin("lamina_model_up");
  for (const auto& [name, model] : models.items())
    out.line({{"model", name}}, model.value("health", "") == "up" ? "1" : "0");
  each("lamina_model_steps_total", "/engine/steps");
  out.begin("lamina_model_seconds_total");
  for (const auto& [name, model] : models.items())
    for (const auto& [part, seconds] :
         member(member(model, "engine"), "seconds").items())
      out.line({{"model", name}, {"part", part}}, seconds.dump());
  out.begin("lamina_tokens_total");
  for (const auto& [name, model] : models.items()) {
    out.number(model, "/engine/tokens_prefilled",
               {{"model", name}, {"kind", "prefilled"}});
    out.number(model, "/engine/tokens_decoded",
               {{"model", name}, {"kind", "decoded"}});
  }
  each("lamina_sequences", "/engine/sequences");
  each("lamina_sequences_paused", "/engine/paused");
  each("lamina_model_in_flight_bytes", "/engine/in_flight_bytes");
  out.begin("lamina_kv_bytes");
  for (const auto& [name, model] : models.items()) {
    out.number(model, "/engine/kv_bytes_running",
               {{"model", name}, {"state", "running"}});
    out.number(model, "/engine/kv_bytes_idle",
               {{"model", name}, {"state", "idle"}});
  }
}

void write_tiers(exposition& out, const json& s) {
  const auto& shards = member(member(s, "memory"), "shards");
  out.begin("lamina_tier_bytes");
  out.sum(shards, "bytes", {{"tier", "memory"}});
  out.sum(shards, "in_flight_bytes", {{"tier", "in_flight"}});
  out.number(s, "/store/value_bytes", {{"tier", "disk"}});
  out.begin("lamina_lookups_total");
  out.sum(shards, "hits", {{"tier", "memory"}, {"outcome", "hit"}});
  out.sum(shards, "misses", {{"tier", "memory"}, {"outcome", "miss"}});
  out.begin("lamina_evictions_total");
  out.sum(shards, "evictions", {{"tier", "memory"}});
  out.number(s, "/disk/values_evicted", {{"tier", "disk"}});
  out.one("lamina_disk_evicted_bytes_total", s, "/disk/bytes_evicted");
  out.one("lamina_disk_commits_total", s, "/disk/commits");
  out.one("lamina_disk_written_bytes_total", s, "/disk/bytes_written");
  out.one("lamina_disk_failures_total", s, "/disk/failures");
  out.one("lamina_disk_memory_only", s, "/disk/memory_only");
  out.one("lamina_disk_cache_full", s, "/disk/cache_full");
  out.one("lamina_store_file_bytes", s, "/store/file_bytes");
  out.one("lamina_store_used_bytes", s, "/store/used_bytes");
  out.one("lamina_store_oldest_reader_lag", s, "/store/oldest_reader_lag");
  out.one("lamina_store_unreadable", s, "/store/unreadable");
  out.one("lamina_conversations", s, "/catalog/conversations");
  out.one("lamina_turns_running", s, "/catalog/running");
}

void write_queues(exposition& out, const json& s) {
  out.begin("lamina_queue_depth");
  out.number(s, "/lens/clicks/queued", {{"queue", "lens_clicks"}});
  out.number(s, "/lens/backlog/queued", {{"queue", "lens_backlog"}});
  out.number(s, "/search/running", {{"queue", "searches"}});
  out.begin("lamina_queue_bytes");
  out.number(s, "/lens/clicks/queued_bytes", {{"queue", "lens_clicks"}});
  out.number(s, "/lens/backlog/queued_bytes", {{"queue", "lens_backlog"}});
  out.number(s, "/disk/owed_bytes", {{"queue", "disk_owed"}});
  out.begin("lamina_queue_refused_total");
  out.number(s, "/lens/clicks/refused", {{"queue", "lens_clicks"}});
  out.number(s, "/lens/backlog/refused", {{"queue", "lens_backlog"}});
}

}  // namespace

const std::vector<metric>& metrics() {
  static const std::vector<metric> all{
      {"lamina_build_info", "gauge", "1, with the version as a label"},
      {"lamina_uptime_seconds", "gauge", "Since the daemon started"},
      {"lamina_resident_bytes", "gauge", "Memory of the process"},
      {"lamina_open_files", "gauge", "File descriptors of the process"},
      {"lamina_connections", "gauge", "Peers that are connected"},
      {"lamina_damages_total", "counter",
       "Stored things that failed their checks"},
      {"lamina_actor_up", "gauge", "1 while the part runs"},
      {"lamina_actor_deaths_total", "counter", "How often the part has died"},
      {"lamina_request_seconds", "histogram",
       "From a request's frame to its last answer"},
      {"lamina_request_errors_total", "counter",
       "Requests that ended with an error, by its code"},
      {"lamina_model_up", "gauge", "1 when the model can be asked"},
      {"lamina_model_steps_total", "counter", "Forward passes"},
      {"lamina_model_seconds_total", "counter",
       "Where the time of the steps went, and between them"},
      {"lamina_tokens_total", "counter", "Tokens that went through the model"},
      {"lamina_sequences", "gauge", "Turns that the engine runs"},
      {"lamina_sequences_paused", "gauge", "Of these, waiting for the disk"},
      {"lamina_model_in_flight_bytes", "gauge",
       "Raw activations that are not safe yet"},
      {"lamina_kv_bytes", "gauge", "KV caches"},
      {"lamina_tier_bytes", "gauge", "Activations held, by tier"},
      {"lamina_lookups_total", "counter", "Look-ups, by outcome"},
      {"lamina_evictions_total", "counter", "What had to go, by tier"},
      {"lamina_disk_evicted_bytes_total", "counter",
       "Activations that had to go from disk"},
      {"lamina_disk_commits_total", "counter", "Transactions"},
      {"lamina_disk_written_bytes_total", "counter", "Values written"},
      {"lamina_disk_failures_total", "counter", "Transactions that failed"},
      {"lamina_disk_memory_only", "gauge", "1 while the disk takes no writes"},
      {"lamina_disk_cache_full", "gauge",
       "1 while activations are refused for want of room"},
      {"lamina_store_file_bytes", "gauge", "Size of the store's file"},
      {"lamina_store_used_bytes", "gauge", "What the disk budget counts"},
      {"lamina_store_oldest_reader_lag", "gauge",
       "Transactions that the oldest reader is behind"},
      {"lamina_store_unreadable", "gauge",
       "1 when a page of the file cannot be read"},
      {"lamina_conversations", "gauge", "Conversations of all owners"},
      {"lamina_turns_running", "gauge", "Turns being written"},
      {"lamina_queue_depth", "gauge", "Entries that wait"},
      {"lamina_queue_bytes", "gauge", "Bytes that wait"},
      {"lamina_queue_refused_total", "counter",
       "Turned away because the queue was full"},
  };
  return all;
}

std::string metrics_text(const json& status) {
  exposition out;
  write_process(out, status);
  write_requests(out, status);
  write_models(out, status);
  write_tiers(out, status);
  write_queues(out, status);
  return out.take();
}

}  // namespace lamina

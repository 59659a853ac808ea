#include "actors/status.hpp"

#include <unistd.h>

#include <algorithm>
#include <caf/all.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <utility>

#include "actors/messages/catalog.hpp"
#include "actors/messages/codec.hpp"
#include "actors/messages/disk.hpp"
#include "actors/messages/import.hpp"
#include "actors/messages/lens.hpp"
#include "actors/messages/model.hpp"
#include "actors/messages/reader.hpp"
#include "actors/messages/search.hpp"
#include "actors/messages/session.hpp"
#include "actors/messages/shard.hpp"
#include "actors/request_statistics.hpp"
#include "actors/view.hpp"

namespace lamina {
namespace {

using nlohmann::json;

constexpr auto patience = std::chrono::seconds(1);

std::uint64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t size = 0;
  std::uint64_t resident = 0;
  statm >> size >> resident;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

std::uint64_t open_files() {
  std::error_code ignored;
  std::filesystem::directory_iterator files("/proc/self/fd", ignored);
  return static_cast<std::uint64_t>(std::distance(begin(files), end(files)));
}

json to_json(const catalog_status& s) {
  return {{"conversations", s.conversations},
          {"loaded", s.loaded},
          {"running", s.running}};
}
json to_json(const disk_status& s) {
  return {{"commits", s.commits},
          {"bytes_written", s.bytes_written},
          {"failures", s.failures},
          {"last_error", s.last_error},
          {"memory_only", s.memory_only},
          {"owed_bytes", s.owed_bytes},
          {"owed_dropped", s.owed_dropped},
          {"cache_full", s.cache_full},
          {"values_evicted", s.values_evicted},
          {"bytes_evicted", s.bytes_evicted},
          {"records_repaired", s.records_repaired}};
}
json to_json(const lens_status& s) {
  return {{"queued", s.queued},
          {"queued_bytes", s.queued_bytes},
          {"computed_positions", s.computed_positions},
          {"refused", s.refused}};
}
json to_json(const search_status& s) {
  return {{"running", s.running},
          {"searches", s.searches},
          {"positions_scored", s.positions_scored},
          {"slices", s.slices}};
}
json to_json(const shard_status& s) {
  return {{"entries", s.entries},
          {"bytes", s.bytes},
          {"in_flight_bytes", s.raw_bytes},
          {"hits", s.hits},
          {"misses", s.misses},
          {"evictions", s.evictions}};
}
double whole_microseconds(double seconds) {
  return std::round(seconds * 1e6) / 1e6;
}
/// What the engine has not said of its steps went into delivering them.
json seconds_of(const model_status& s) {
  json parts = json::object();
  const auto& known = s.engine.seconds;
  const double delivering =
      s.step_seconds - std::accumulate(known.begin(), known.end(), 0.0);
  for (std::size_t i = 0; i < known.size(); ++i)
    parts[std::string(step_part_names[i])] = whole_microseconds(known[i]);
  parts["other"] = whole_microseconds(
      known[static_cast<std::size_t>(step_part::other)] + delivering);
  parts["waiting"] = whole_microseconds(s.waiting_seconds);
  return parts;
}
json to_json(const model_status& s) {
  return {{"sequences", s.engine.sequences},
          {"idle_caches", s.engine.idle_caches},
          {"kv_bytes_running", s.engine.kv_bytes_running},
          {"kv_bytes_idle", s.engine.kv_bytes_idle},
          {"steps", s.engine.steps},
          {"tokens_prefilled", s.engine.tokens_prefilled},
          {"tokens_decoded", s.engine.tokens_decoded},
          {"in_flight_bytes", s.in_flight_bytes},
          {"paused", s.paused},
          {"seconds", seconds_of(s)}};
}
json to_json(const request_statistics& s) {
  json kinds = json::object();
  for (const auto& [name, took] : s.latencies)
    kinds[name] = {{"count", took.count()},
                   {"sum_us", took.sum_us},
                   {"buckets", took.counts}};
  return {{"kinds", std::move(kinds)}, {"errors", s.errors}};
}
std::uint64_t records_in(const store_statistics& s, std::string_view table) {
  const auto at = std::find(table_names.begin(), table_names.end(), table);
  return s.tables[static_cast<std::size_t>(at - table_names.begin())].records;
}
json to_json(const result<store_statistics>& read) {
  if (!read) return {{"error", to_string(read.error())}};
  const auto& s = read.value();
  return {{"conversations", s.conversations},
          {"chunk_names", s.chunk_names},
          {"references", s.references},
          {"values", s.values},
          {"value_bytes", s.value_bytes},
          {"code_books", records_in(s, "books")},
          {"tombstones", s.tombstones},
          {"file_bytes", s.file_bytes},
          {"free_bytes", s.free_bytes},
          {"readers", s.readers},
          {"oldest_reader_ms", s.oldest_reader_ms},
          {"oldest_reader_lag", s.oldest_reader_lag},
          {"unreadable", s.unreadable},
          {"own_bytes", s.file.own_bytes},
          {"live_bytes", s.file.live_bytes},
          {"rounding_bytes", s.file.rounding_bytes},
          {"unwritten_bytes", s.file.unwritten_bytes},
          {"behind_bytes", s.file.behind_bytes},
          {"used_bytes", s.file.used_bytes()}};
}

struct collector_state {
  json document;
  int missing = 0;
  caf::typed_response_promise<std::string> reply;
};

using collector = caf::stateful_actor<collector_state>;

/// Asks one actor and puts its answer at a place in the document.
template <class Answer, class Handle, class Question>
void ask(collector* self, const Handle& whom, Question question,
         const json::json_pointer& place) {
  if (!whom) return;
  ++self->state.missing;
  auto done = [self, place](json answer) {
    auto& s = self->state;
    s.document[place] = std::move(answer);
    if (--s.missing > 0) return;
    s.reply.deliver(
        s.document.dump(-1, ' ', false, json::error_handler_t::replace));
    self->quit();
  };
  self->request(whom, patience, std::move(question))
      .then([done](const Answer& answer) { done(to_json(answer)); },
            [done](const caf::error& e) {
              done({{"silent", caf::to_string(e)}});
            });
}

json basis_of(const status_basis& basis) {
  json parts = json::object();
  for (const auto& part : basis.parts)
    parts[part.name] = {{"health", part.health}, {"deaths", part.deaths}};
  return {{"version", LAMINA_VERSION},
          {"uptime_s", basis.uptime_s},
          {"resident_bytes", resident_bytes()},
          {"open_files", open_files()},
          {"connections", basis.connections},
          {"damages", basis.damages},
          {"blas", basis.blas},
          {"actors", std::move(parts)}};
}

caf::behavior collect(collector* self, const status_basis& basis,
                      caf::typed_response_promise<std::string> reply) {
  const auto& view = *basis.view;
  self->state.reply = std::move(reply);
  self->state.document = basis_of(basis);
  ask<catalog_status>(self, view.catalog, get_catalog_status{},
                      json::json_pointer("/catalog"));
  ask<request_statistics>(self, view.recorder, get_request_statistics{},
                          json::json_pointer("/requests"));
  ask<disk_status>(self, view.disk, get_disk_status{},
                   json::json_pointer("/disk"));
  ask<lens_status>(self, view.lens_clicks, get_lens_status{},
                   json::json_pointer("/lens/clicks"));
  ask<lens_status>(self, view.lens_backlog, get_lens_status{},
                   json::json_pointer("/lens/backlog"));
  ask<search_status>(self, view.search, get_search_status{},
                     json::json_pointer("/search"));
  ask<statistics_read>(self, view.readers.front(), read_statistics{},
                       json::json_pointer("/store"));
  for (std::size_t i = 0; i < view.shards.size(); ++i)
    ask<shard_status>(self, view.shards[i], get_shard_status{},
                      json::json_pointer("/memory/shards") / i);
  for (const auto& [name, hosted] : view.models) {
    json& model = self->state.document["models"][name];
    model["health"] = hosted.health;
    if (hosted.model)
      model["device"] = to_string(hosted.model->description().device);
    ask<model_status>(self, hosted.actor, get_model_status{},
                      json::json_pointer("/models") / name / "engine");
  }
  return {[] {}};
}

}  // namespace

void collect_status(caf::actor_system& sys, status_basis basis,
                    caf::typed_response_promise<std::string> reply) {
  sys.spawn(collect, std::move(basis), std::move(reply));
}

}  // namespace lamina

#include "actors/shard.hpp"

#include <algorithm>
#include <caf/all.hpp>
#include <utility>

#include "actors/messages/answer_source.hpp"
#include "actors/messages/supervisor.hpp"
#include "actors/view.hpp"

namespace lamina {
namespace {

/// Generous: a cold read of a large value on a slow disk.
constexpr auto read_timeout = std::chrono::seconds(10);

bool covers(const ready_rows& rows, std::uint32_t wanted) {
  if (!rows.chunk) return false;
  std::uint32_t present = ((1u << rows.end) - 1) & ~((1u << rows.begin) - 1);
  return (wanted & ~present) == 0;
}

/// Brought rows may lack a site.
bool holds_sites(const raw_chunk& chunk, const std::vector<value_key>& keys) {
  return std::all_of(keys.begin(), keys.end(),
                     [&](const value_key& key) { return chunk.holds(key.at); });
}

/// The values asked for, or nothing when one is absent or too short.
std::vector<stored_value_ptr> pick(const memory_tier::entry& e,
                                   const find_values& m) {
  std::vector<stored_value_ptr> picked;
  for (const auto& key : m.keys) {
    auto it = e.values.find(key);
    if (it == e.values.end() || (m.rows_wanted >> it->second->rows) != 0)
      return {};
    picked.push_back(it->second);
  }
  return picked;
}

/// A reader answers what somebody waits for before bulk reads and prefetch that
/// came earlier.
template <class Question>
auto ask_reader(shard_state::pointer self, const reader_actor& reader,
                bool urgent, Question question) {
  return urgent ? self->request<caf::message_priority::high>(
                      reader, read_timeout, std::move(question))
                : self->request(reader, read_timeout, std::move(question));
}

}  // namespace

shard_state::~shard_state() {
  const auto down = caf::make_error(caf::sec::request_receiver_down);
  for (auto& [chunk, promises] : reading)
    for (auto& promise : promises)
      promise.deliver(down);
  for (auto& [keys, promises] : reading_values)
    for (auto& promise : promises)
      promise.deliver(down);
}

caf::result<lens_found> shard_state::lens_of(const find_lens& m) {
  const auto* e = tier.find(m.name);
  if (e && e->lens && (m.rows_wanted & ~e->lens->complete) == 0) {
    ++hits;
    return lens_found{e->lens, answer_source::memory, std::nullopt};
  }
  ++misses;
  auto promise = self->make_response_promise<lens_promise>();
  auto& waiting = reading[m.name];
  waiting.push_back(promise);
  if (waiting.size() > 1) return promise;
  ask_reader(self, view->reader_of(m.name), m.urgent, read_lens{m.name})
      .then(
          [this, name = m.name](const lens_read& read) {
            if (!read && read.error().code == error_code::corrupt)
              self->send(view->supervisor,
                         damage_found{"lens records of " + to_string(name) +
                                      ": " + lamina::to_string(read.error())});
            lens_arrived(name, read);
          },
          [this, name = m.name](const caf::error& silent) {
            lens_arrived(name, fail(error_code::unavailable,
                                    "the disk reader did not answer: " +
                                        caf::to_string(silent)));
          });
  return promise;
}

void shard_state::lens_arrived(const digest& chunk, const lens_read& read) {
  lens_found found;
  if (!read) {
    found.failure = read.error();
  } else if (read.value()) {
    found.source = answer_source::disk;
    merge_lens(chunk, *read.value());
  }
  if (const auto* e = tier.find(chunk)) found.block = e->lens;
  auto waiting = std::move(reading[chunk]);
  reading.erase(chunk);
  for (auto& promise : waiting)
    promise.deliver(found);
}

void shard_state::merge_lens(const digest& chunk, const lens_block& block) {
  const auto* e = tier.find(chunk);
  auto merged = std::make_shared<lens_block>(
      e && e->lens ? *e->lens : make_lens_block(block.layers));
  merge(*merged, block);
  tier.put_lens(chunk, std::move(merged));
}

caf::result<result<values_found>> shard_state::values_of(const find_values& m) {
  if (const auto* e = tier.find(m.name)) {
    values_found found;
    if (covers(e->raw, m.rows_wanted) && holds_sites(*e->raw.chunk, m.keys)) {
      found.raw = e->raw;
    } else {
      found.values = pick(*e, m);
    }
    if (found.raw.chunk || !found.values.empty()) {
      ++hits;
      return result<values_found>(std::move(found));
    }
  }
  ++misses;
  auto promise = self->make_response_promise<values_promise>();
  auto& waiting = reading_values[m.keys];
  waiting.push_back(promise);
  if (waiting.size() > 1) return promise;
  ask_reader(self, view->reader_of(m.name), m.urgent, read_values{m.keys})
      .then([this, m](const values_read& read) { values_arrived(m, read); },
            [this, m](const caf::error& e) {
              values_arrived(
                  m, fail(error_code::unavailable,
                          "the disk reader did not answer: " + to_string(e)));
            });
  return promise;
}

void shard_state::values_arrived(const find_values& m,
                                 const values_read& read) {
  auto waiting = std::move(reading_values[m.keys]);
  reading_values.erase(m.keys);
  auto answer = [&]() -> result<values_found> {
    if (!read) return read.error();
    return values_found{{}, read.value(), answer_source::disk};
  };
  if (read) {
    std::vector<stored_value_ptr> present;
    for (const auto& value : read.value())
      if (value && value->checked) present.push_back(value);
    if (!present.empty()) tier.put_values(m.name, present);
  }
  for (auto& promise : waiting)
    promise.deliver(answer());
}

shard_self::behavior_type shard(shard_state::pointer self,
                                shard_options options, view_ptr view) {
  constexpr auto age_every = std::chrono::seconds(30);
  auto& state = self->state;
  state.view = std::move(view);
  state.tier = memory_tier(options.bytes_max, options.ttl.count());
  self->delayed_send(self, age_every, age_due{});
  return {
      [&state](const publish_rows& m) { state.tier.put_raw(m.name, m.rows); },
      [&state](const publish_values& m) {
        state.tier.put_sealed(m.name, m.values);
      },
      [&state](const publish_lens& m) {
        auto block = make_lens_block(m.rows->layers);
        merge(block, m.chunk_first, *m.rows);
        state.merge_lens(m.name, block);
      },
      [&state](const publish_lens_block& m) {
        state.merge_lens(m.name, *m.block);
      },
      [&state](const discard_chunk& m) { state.tier.discard(m.name); },
      [&state](const discard_rows& m) { state.tier.discard_raw(m.name); },
      [&state](const find_lens& m) { return state.lens_of(m); },
      [&state](const find_values& m) { return state.values_of(m); },
      [&state](const get_shard_status&) {
        return shard_status{state.tier.entries(),   state.tier.bytes(),
                            state.tier.raw_bytes(), state.hits,
                            state.misses,           state.tier.evictions()};
      },
      [&state](const view_changed& m) {
        state.view = m.view;
        const auto& now = m.view->tuned;
        state.tier.limit(now.memory_bytes_max / m.view->shards.size(),
                         now.memory_ttl.count());
      },
      [&state, self, age_every](const age_due&) {
        using namespace std::chrono;
        const auto now = steady_clock::now().time_since_epoch();
        state.tier.advance(duration_cast<milliseconds>(now).count());
        self->delayed_send(self, age_every, age_due{});
      },
  };
}

}  // namespace lamina

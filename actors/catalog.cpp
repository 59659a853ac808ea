#include "actors/catalog.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <caf/all.hpp>
#include <utility>

#include "actors/generation.hpp"
#include "protocol/id_text.hpp"

namespace lamina {
namespace {

std::int64_t now_unix_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch())
      .count();
}

error missing(conversation_id id) {
  return {error_code::not_found, "no conversation " + conversation_text(id)};
}

placed_token place(const std::vector<chunk_record>& chunks, position_t p) {
  return {p, chunks[chunk_of(p)].tokens[row_in_chunk(p)]};
}

template <class T>
result<T> failed_with(const error& e) {
  return fail(e.code, e.context);
}

constexpr auto disk_timeout = std::chrono::seconds(30);

}  // namespace

// ---- entries ----------------------------------------------------------------

void catalog_state::load_all() {
  self->request(view->readers.front(), caf::infinite, read_conversations{})
      .await(
          [this](const conversations_read& read) {
            if (!read) {
              spdlog::error("catalog: {}", lamina::to_string(read.error()));
              return;
            }
            for (auto record : read.value()) {
              if (record.state == turn_state::running)
                record.state = turn_state::interrupted;
              auto& e = entries[record.id];
              e.record = record;
              e.durable = record.positions;
            }
          },
          [](const caf::error& e) {
            spdlog::error("catalog: no reader: {}", caf::to_string(e));
          });
}

result<catalog_state::entry*> catalog_state::owned(conversation_id id,
                                                   std::uint32_t uid) {
  auto it = entries.find(id);
  if (it == entries.end() || it->second.record.owner_uid != uid)
    return fail(error_code::not_found, missing(id).context);
  return &it->second;
}

void catalog_state::with_chunks(
    conversation_id id, std::uint32_t uid,
    std::function<void(const result<entry*>&)> then) {
  auto found = owned(id, uid);
  if (!found) return then(found);
  auto& e = *found.value();
  e.used = ++uses;
  e.accessed = true;
  e.record.accessed_unix_ms = now_unix_ms();
  if (e.chunks) return then(found);
  e.loading.push_back(std::move(then));
  if (e.loading.size() > 1) return;
  auto arrived = [this, id](const chunks_read& read) {
    auto it = entries.find(id);
    if (it == entries.end()) return;
    auto& loaded = it->second;
    if (read) loaded.chunks = read.value();
    auto waiting = std::exchange(loaded.loading, {});
    for (const auto& callback : waiting)
      callback(read ? result<entry*>(&loaded)
                    : failed_with<entry*>(read.error()));
    unload_oldest();
  };
  auto reader = view->readers[id % view->readers.size()];
  self->request(reader, disk_timeout, read_chunks{id})
      .then(arrived, [arrived](const caf::error& reason) {
        arrived(fail(error_code::unavailable,
                     "the disk reader did not answer: " + to_string(reason)));
      });
}

void catalog_state::unload_oldest() {
  std::uint32_t count = 0;
  entry* oldest = nullptr;
  for (auto& [id, e] : entries) {
    if (!e.chunks) continue;
    ++count;
    if (!e.newest && (!oldest || e.used < oldest->used)) oldest = &e;
  }
  if (count > options.loaded_max && oldest) oldest->chunks.reset();
}

// ---- turns ------------------------------------------------------------------

caf::result<result<turn_opened>> catalog_state::open(const open_turn& m) {
  if (draining)
    return failed_with<turn_opened>(
        {error_code::unavailable, "the daemon is shutting down"});
  if (m.conversation == 0) {
    auto hosted = view->models.find(m.model);
    if (hosted == view->models.end())
      return failed_with<turn_opened>(
          {error_code::not_found, "no model '" + m.model + "'"});
    auto created = create(m, hosted->second);
    if (!created) return failed_with<turn_opened>(created.error());
    return start_turn(*created.value(), m);
  }
  using promise_type = caf::typed_response_promise<result<turn_opened>>;
  auto promise = self->make_response_promise<promise_type>();
  with_chunks(m.conversation, m.uid,
              [this, m, promise](const result<entry*>& e) mutable {
                promise.deliver(e ? start_turn(*e.value(), m)
                                  : failed_with<turn_opened>(e.error()));
              });
  return promise;
}

result<catalog_state::entry*> catalog_state::create(
    const open_turn& m, const hosted_model& hosted) {
  if (!hosted.model || !hosted.actor)
    return fail(error_code::unavailable,
                "model '" + m.model + "' is not ready: " + hosted.health);
  conversation_id id = 0;
  while (id == 0 || entries.count(id) != 0) id = random();
  auto& e = entries[id];
  auto& r = e.record;
  r.id = id;
  r.owner_uid = m.uid;
  r.model = m.model;
  r.root = root_of(hosted.model->origin());
  r.shape = hosted.model->shape();
  r.created_unix_ms = r.accessed_unix_ms = now_unix_ms();
  e.chunks.emplace();
  return &e;
}

result<turn_opened> catalog_state::start_turn(entry& e, const open_turn& m) {
  auto& r = e.record;
  if (e.busy())
    return fail(error_code::conversation_busy,
                "another turn is being written to " + conversation_text(r.id));
  if (!m.model.empty() && m.model != r.model)
    return fail(error_code::invalid_argument,
                "conversation " + conversation_text(r.id) + " belongs to model '" +
                    r.model + "', not '" + m.model + "'");
  auto hosted = view->models.find(r.model);
  if (hosted == view->models.end() || !hosted->second.actor)
    return fail(error_code::unavailable,
                "model '" + r.model + "' is not loaded");
  if (root_of(hosted->second.model->origin()) != r.root)
    return fail(error_code::invalid_argument,
                "the model now loaded as '" + r.model +
                    "' is another one than this conversation was written with");
  auto plan = std::make_shared<generation_plan>();
  plan->record = r;
  plan->chunks = *e.chunks;
  plan->options = m.options;
  plan->hosted = hosted->second;
  plan->view = view;
  plan->abandon_after = options.abandon_after;
  auto writer = self->spawn(generation, plan);
  self->monitor(writer);
  e.writer = e.newest = generation_actor(writer);
  return turn_opened{r.id, e.writer};
}

result<turn_opened> catalog_state::turn_of(const find_turn& m) {
  BOOST_OUTCOME_TRY(e, owned(m.conversation, m.uid));
  return turn_opened{m.conversation, e->newest};
}

void catalog_state::update(const update_chunk& m) {
  auto it = entries.find(m.conversation);
  if (it == entries.end() || !it->second.chunks) return;
  auto& e = it->second;
  if (m.index >= e.chunks->size()) e.chunks->resize(m.index + 1);
  e.record.positions = std::max<position_t>(
      e.record.positions, static_cast<position_t>(first_position(m.index) +
                                                  m.record.tokens.size()));
  (*e.chunks)[m.index] = m.record;
}

void catalog_state::mark(const mark_chunk& m) {
  auto it = entries.find(m.conversation);
  if (it == entries.end() || !it->second.chunks) return;
  auto& chunks = *it->second.chunks;
  if (m.index >= chunks.size() || chunks[m.index].name != m.name) return;
  auto& c = chunks[m.index];
  if (m.activations) c.embed = c.resid_post = c.final_norm = *m.activations;
  if (m.lens) c.lens = *m.lens;
}

void catalog_state::close(const close_turn& m) {
  auto it = entries.find(m.conversation);
  if (it == entries.end()) return;
  auto& e = it->second;
  e.writer = nullptr;
  if (m.state) {
    e.record.state = *m.state;
    ++e.record.turns;
  } else if (e.record.positions == 0) {
    entries.erase(it);  // a new conversation that came to nothing
  }
}

void catalog_state::made_durable(const positions_made_durable& m) {
  auto it = entries.find(m.conversation);
  if (it == entries.end()) return;
  auto& e = it->second;
  e.durable = std::max(e.durable, m.end);
  auto ready = std::stable_partition(
      e.forks.begin(), e.forks.end(), [&](const fork_waiting& w) {
        return w.command.position > e.durable;
      });
  std::vector<fork_waiting> due(ready, e.forks.end());
  e.forks.erase(ready, e.forks.end());
  for (auto& w : due) fork_now(e, std::move(w));
}

void catalog_state::writer_down(const caf::down_msg& m) {
  for (auto it = entries.begin(); it != entries.end(); ++it) {
    auto& e = it->second;
    if (!e.newest || e.newest.address() != m.source) continue;
    if (e.writer && e.writer.address() == m.source) {
      // It ended without saying so: a bug, or the system is going down.
      e.writer = nullptr;
      e.record.state = turn_state::interrupted;
      ++e.record.turns;
    }
    e.newest = nullptr;
    for (auto& w : std::exchange(e.forks, {}))
      w.reply.deliver(failed_with<conversation_record>(
          {error_code::unavailable, "these positions did not become durable"}));
    break;
  }
  check_drained();
}

caf::result<turns_drained> catalog_state::drain(const drain_turns& m) {
  draining = self->make_response_promise<
      caf::typed_response_promise<turns_drained>>();
  auto promise = *draining;
  self->delayed_send(self, std::chrono::milliseconds(m.grace_ms),
                     drain_grace_over{});
  check_drained();
  return promise;
}

void catalog_state::cancel_all() {
  for (auto& [id, e] : entries)
    if (e.writer) self->send(e.writer, cancel_turn{});
}

void catalog_state::check_drained() {
  if (!draining) return;
  for (const auto& [id, e] : entries)
    if (e.newest) return;
  draining->deliver(turns_drained{});
}

// ---- reading ----------------------------------------------------------------

namespace {

result<std::shared_ptr<const positions_located>> locate_in(
    const catalog_state::entry& e, const locate_positions& m) {
  auto located = std::make_shared<positions_located>();
  located->record = e.record;
  located->running = e.busy();
  const auto& chunks = *e.chunks;
  position_t size = 0;
  for (const auto& c : chunks) size += static_cast<position_t>(c.tokens.size());
  for (auto p : m.positions) {
    if (p >= size)
      return fail(error_code::out_of_range,
                  "position " + std::to_string(p) + " is beyond the last, " +
                      std::to_string(size) + " exist");
    const auto& chunk = chunks[chunk_of(p)];
    located_position at;
    at.position = p;
    at.token = place(chunks, p);
    at.chunk = chunk_of(p);
    at.name = chunk.name;
    at.activations = chunk.resid_post;
    at.lens = chunk.lens;
    if (p + 1 < size) {
      at.next = place(chunks, p + 1);
      if (chunk_of(p + 1) != at.chunk)
        at.next_name = chunks[chunk_of(p + 1)].name;
    }
    located->positions.push_back(std::move(at));
  }
  if (!m.positions.empty()) {
    auto first = m.positions.front();
    for (auto p = first - std::min(first, m.context); p < first; ++p)
      located->context.push_back(place(chunks, p));
  }
  return std::shared_ptr<const positions_located>(std::move(located));
}

}  // namespace

caf::result<locate_result> catalog_state::locate(const locate_positions& m) {
  using promise_type = caf::typed_response_promise<locate_result>;
  auto promise = self->make_response_promise<promise_type>();
  with_chunks(m.conversation, m.uid,
              [m, promise](const result<entry*>& e) mutable {
                promise.deliver(e ? locate_in(*e.value(), m)
                                  : locate_result(fail(e.error().code,
                                                       e.error().context)));
              });
  return promise;
}

caf::result<token_ids_result> catalog_state::ids(const get_token_ids& m) {
  auto it = entries.find(m.conversation);
  if (it == entries.end() || !it->second.chunks)
    return token_ids_result(
        fail(error_code::not_found, missing(m.conversation).context));
  std::vector<token_id> ids;
  for (const auto& chunk : *it->second.chunks)
    for (const auto& token : chunk.tokens)
      if (ids.size() < m.end) ids.push_back(token.id);
  return token_ids_result(std::move(ids));
}

list_result catalog_state::list(const list_conversations& m) {
  std::vector<conversation_record> found;
  for (const auto& [id, e] : entries) {
    if (e.record.owner_uid != m.uid) continue;
    if (!m.model.empty() && e.record.model != m.model) continue;
    auto record = e.record;
    if (e.busy()) record.state = turn_state::running;
    found.push_back(std::move(record));
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
    return std::pair(a.created_unix_ms, a.id) >
           std::pair(b.created_unix_ms, b.id);
  });
  if (m.limit != 0 && found.size() > m.limit) found.resize(m.limit);
  return found;
}

caf::result<show_result> catalog_state::show(const show_conversation& m) {
  using promise_type = caf::typed_response_promise<show_result>;
  auto promise = self->make_response_promise<promise_type>();
  with_chunks(m.conversation, m.uid, [promise](
                                         const result<entry*>& e) mutable {
    if (!e) {
      promise.deliver(show_result(fail(e.error().code, e.error().context)));
      return;
    }
    auto shown = std::make_shared<conversation_shown>();
    shown->record = e.value()->record;
    if (e.value()->busy()) shown->record.state = turn_state::running;
    shown->chunks = *e.value()->chunks;
    promise.deliver(
        show_result(std::shared_ptr<const conversation_shown>(shown)));
  });
  return promise;
}

// ---- changing ---------------------------------------------------------------

void catalog_state::write_record(
    const conversation_record& record,
    std::function<void(const acknowledgement&)> then) {
  auto ops = std::make_shared<std::vector<write_op>>();
  ops->push_back(put_conversation{record});
  self->request(view->disk, disk_timeout, write_ops{ops})
      .then(
          [then](const result<ops_written>& written) {
            then(written ? acknowledgement(acknowledged{})
                         : failed_with<acknowledged>(written.error()));
          },
          [then](const caf::error& e) {
            then(fail(error_code::unavailable,
                      "the disk did not answer: " + to_string(e)));
          });
}

caf::result<record_result> catalog_state::pin(const pin_conversation& m) {
  auto found = owned(m.conversation, m.uid);
  if (!found) return failed_with<conversation_record>(found.error());
  auto& e = *found.value();
  e.record.pinned = m.pinned;
  using promise_type = caf::typed_response_promise<record_result>;
  auto promise = self->make_response_promise<promise_type>();
  auto answer = [promise, record = e.record](const acknowledgement& done) mutable {
    promise.deliver(done ? record_result(record)
                         : failed_with<conversation_record>(done.error()));
  };
  if (!e.newest) {
    write_record(e.record, answer);
    return promise;
  }
  // The turn writes this record itself as it goes, so it must know.
  self->request(e.newest, disk_timeout, pin_turn{m.pinned})
      .then(answer, [this, answer, id = m.conversation](const caf::error&) {
        if (auto it = entries.find(id); it != entries.end())
          write_record(it->second.record, answer);
      });
  return promise;
}

caf::result<acknowledgement> catalog_state::remove(const remove_conversation& m) {
  auto found = owned(m.conversation, m.uid);
  if (!found) return failed_with<acknowledged>(found.error());
  auto& e = *found.value();
  if (e.newest)
    return failed_with<acknowledged>(
        {error_code::conversation_busy,
         "a turn of " + conversation_text(m.conversation) +
             " is still being written; cancel it or try again"});
  for (const auto& chunk : e.chunks ? *e.chunks : std::vector<chunk_record>{})
    if (!chunk.full)
      self->send(view->shard_of(chunk.name), discard_chunk{chunk.name});
  if (auto hosted = view->models.find(e.record.model);
      hosted != view->models.end() && hosted->second.actor)
    self->send(hosted->second.actor, forget_conversation{m.conversation});
  entries.erase(m.conversation);
  auto ops = std::make_shared<std::vector<write_op>>();
  ops->push_back(delete_conversation{m.conversation});
  using promise_type = caf::typed_response_promise<acknowledgement>;
  auto promise = self->make_response_promise<promise_type>();
  self->request(view->disk, disk_timeout, write_ops{ops})
      .then(
          [promise](const result<ops_written>& written) mutable {
            promise.deliver(written ? acknowledgement(acknowledged{})
                                    : failed_with<acknowledged>(written.error()));
          },
          [promise](const caf::error& reason) mutable {
            promise.deliver(failed_with<acknowledged>(
                {error_code::unavailable,
                 "the disk did not answer: " + to_string(reason)}));
          });
  return promise;
}

caf::result<record_result> catalog_state::split(const split_conversation& m) {
  auto found = owned(m.conversation, m.uid);
  if (!found) return failed_with<conversation_record>(found.error());
  auto& e = *found.value();
  if (m.position == 0 || m.position > e.size())
    return failed_with<conversation_record>(
        {error_code::out_of_range,
         "a fork keeps the first N positions, N from 1 to " +
             std::to_string(e.size()) + "; got " + std::to_string(m.position)});
  using promise_type = caf::typed_response_promise<record_result>;
  auto promise = self->make_response_promise<promise_type>();
  if (m.position <= e.durable || !e.newest) {
    fork_now(e, {m, promise});
  } else {
    e.forks.push_back({m, promise});
  }
  return promise;
}

void catalog_state::fork_now(entry& e, fork_waiting w) {
  auto record = e.record;
  do record.id = random();
  while (record.id == 0 || entries.count(record.id) != 0);
  record.parent = w.command.conversation;
  record.forked_at = record.positions = w.command.position;
  record.pinned = false;
  record.state = turn_state::complete;
  record.created_unix_ms = record.accessed_unix_ms = now_unix_ms();
  if (e.chunks)
    record.turns = 1u + (*e.chunks)[chunk_of(record.positions - 1)]
                            .tokens[row_in_chunk(record.positions - 1)]
                            .turn;
  auto ops = std::make_shared<std::vector<write_op>>();
  ops->push_back(fork_conversation{w.command.conversation, record});
  self->request(view->disk, disk_timeout, write_ops{ops})
      .then(
          [this, w, record](const result<ops_written>& written) mutable {
            if (!written) {
              w.reply.deliver(failed_with<conversation_record>(
                  written.error()));
              return;
            }
            auto& fork = entries[record.id];
            fork.record = record;
            fork.durable = record.positions;
            w.reply.deliver(record_result(record));
          },
          [w](const caf::error& reason) mutable {
            w.reply.deliver(failed_with<conversation_record>(
                {error_code::unavailable,
                 "the disk did not answer: " + to_string(reason)}));
          });
}

/// Access times of idle conversations; running ones write their own record.
void catalog_state::flush_access() {
  auto ops = std::make_shared<std::vector<write_op>>();
  for (auto& [id, e] : entries) {
    if (!e.accessed || e.newest) continue;
    e.accessed = false;
    ops->push_back(put_conversation{e.record});
  }
  if (ops->empty()) return;
  self->request(view->disk, disk_timeout, write_ops{ops})
      .then([](const result<ops_written>&) {},
            [](const caf::error& e) {
              spdlog::warn("catalog: access times not written: {}",
                           caf::to_string(e));
            });
}

catalog_status catalog_state::status() const {
  catalog_status s;
  s.conversations = entries.size();
  for (const auto& [id, e] : entries) {
    s.loaded += e.chunks.has_value();
    s.running += e.busy();
  }
  return s;
}

catalog_self::behavior_type catalog(catalog_state::pointer self,
                                    catalog_options options, view_ptr view) {
  auto& state = self->state;
  state.options = options;
  state.view = std::move(view);
  state.random.seed(std::random_device{}() ^
                    static_cast<std::uint64_t>(now_unix_ms()) << 20);
  self->set_down_handler(
      [&state](const caf::down_msg& m) { state.writer_down(m); });
  state.load_all();
  constexpr auto flush_every = std::chrono::minutes(1);
  self->delayed_send(self, flush_every, access_flush_due{});
  return {
      [&state](const open_turn& m) { return state.open(m); },
      [&state](const find_turn& m) { return state.turn_of(m); },
      [&state](const update_chunk& m) { state.update(m); },
      [&state](const mark_chunk& m) { state.mark(m); },
      [&state](const close_turn& m) { state.close(m); },
      [&state](const positions_made_durable& m) { state.made_durable(m); },
      [&state](const locate_positions& m) { return state.locate(m); },
      [&state](const get_token_ids& m) { return state.ids(m); },
      [&state](const list_conversations& m) { return state.list(m); },
      [&state](const show_conversation& m) { return state.show(m); },
      [&state](const remove_conversation& m) { return state.remove(m); },
      [&state](const pin_conversation& m) { return state.pin(m); },
      [&state](const split_conversation& m) { return state.split(m); },
      [&state](const drain_turns& m) { return state.drain(m); },
      [&state](const drain_grace_over&) { state.cancel_all(); },
      [&state](const get_catalog_status&) { return state.status(); },
      [&state](const view_changed& m) { state.view = m.view; },
      [&state, self, flush_every](const access_flush_due&) {
        state.flush_access();
        self->delayed_send(self, flush_every, access_flush_due{});
      },
  };
}

}  // namespace lamina

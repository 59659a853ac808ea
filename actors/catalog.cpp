#include "actors/catalog.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <caf/all.hpp>
#include <utility>

#include "actors/generation.hpp"
#include "actors/messages/reader.hpp"
#include "actors/messages/supervisor.hpp"
#include "actors/messages/turn.hpp"
#include "protocol/id_text.hpp"

namespace lamina {
namespace {

constexpr auto disk_timeout = std::chrono::seconds(30);

}  // namespace

std::string preview_of(std::string_view text) {
  constexpr std::size_t preview_bytes_max = 96;
  return utf8_stream{}.push(text.substr(0, preview_bytes_max));
}

std::string preview_of(const chunk_record& begin) {
  std::string text;
  for (const auto& token : begin.tokens)
    text += token.bytes;
  return preview_of(text);
}

std::int64_t now_unix_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch())
      .count();
}

error no_such_conversation(conversation_id id) {
  return {error_code::not_found, "no conversation " + conversation_text(id)};
}

catalog_state::~catalog_state() {
  const error gone{error_code::unavailable, "the catalog stopped"};
  for (auto& [id, e] : entries) {
    for (const auto& callback : std::exchange(e.loading, {}))
      callback(failed_with<entry*>(gone));
    // The next catalog would not know that they write: what they have written
    // so far is kept, as after a crash.
    for (const auto& turn : e.turns)
      caf::anon_send_exit(turn, caf::exit_reason::user_shutdown);
  }
  owed.fail_all(gone);
  for (auto& promise : drainers)
    promise.deliver(turns_drained{});
}

// ---- entries ----------------------------------------------------------------

void catalog_state::load_all() {
  self->request(view->readers.front(), caf::infinite, read_conversations{})
      .await(
          [this](const conversations_read& read) {
            if (!read) {
              // Going on empty would hide everything: the supervisor tries
              // again.
              self->quit(caf::make_error(caf::sec::runtime_error,
                                         lamina::to_string(read.error())));
              return;
            }
            for (const auto& damaged : read.value().passed_over)
              self->send(view->supervisor,
                         damage_found{lamina::to_string(damaged)});
            for (auto record : read.value().records) {
              const bool cut = record.state == turn_state::running;
              if (cut) record.state = turn_state::interrupted;
              auto& e = entries[record.id];
              e.record = record;
              e.durable = record.positions;
              // Its generation went with the catalog before this one.
              if (cut) write_record(record, [](const acknowledgement&) {});
            }
          },
          [this](const caf::error& e) { self->quit(e); });
}

result<catalog_state::entry*> catalog_state::readable(conversation_id id,
                                                      const principal& who) {
  auto it = entries.find(id);
  if (it == entries.end() || !may_read(who, it->second.record) ||
      it->second.removing)
    return fail(error_code::not_found, no_such_conversation(id).context);
  return &it->second;
}

/// To change it. Who may only read it learns that it is there, and no more.
result<catalog_state::entry*> catalog_state::owned(conversation_id id,
                                                   const principal& who) {
  BOOST_OUTCOME_TRY(e, readable(id, who));
  if (owns(who, e->record)) return e;
  return fail(error_code::forbidden,
              "conversation " + conversation_text(id) +
                  " is shared with you to read; fork it to go on from it");
}

void catalog_state::with_chunks(
    conversation_id id, const result<entry*>& found,
    std::function<void(const result<entry*>&)> then) {
  if (!found) return then(found);
  auto& e = *found.value();
  e.used = ++uses;
  e.accessed = true;
  e.record.accessed_unix_ms = now_unix_ms();
  load(id, e, std::move(then));
}

/// Reads the chunks unless they are there.
void catalog_state::load(conversation_id id, entry& e,
                         std::function<void(const result<entry*>&)> then) {
  if (e.chunks) return then(&e);
  e.loading.push_back(std::move(then));
  if (e.loading.size() > 1) return;
  auto arrived = [this, id](const chunks_read& read) {
    auto it = entries.find(id);
    if (it == entries.end()) return;
    auto& known = it->second;
    if (read && !known.chunks) {
      known.chunks = read.value();
      loaded.insert(id);
      // What a crash left behind a gap does not count.
      position_t size = 0;
      for (const auto& chunk : read.value())
        size += static_cast<position_t>(chunk.tokens.size());
      known.record.positions = known.durable = size;
    }
    auto waiting = std::exchange(known.loading, {});
    for (const auto& callback : waiting)
      callback(read ? result<entry*>(&known)
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

/// Down to `loaded_max`, the least recently used first.
void catalog_state::unload_oldest() {
  std::erase_if(loaded, [this](conversation_id id) {
    auto it = entries.find(id);
    return it == entries.end() || !it->second.chunks;
  });
  if (loaded.size() <= options.loaded_max) return;
  std::vector<std::pair<std::uint64_t, conversation_id>> idle;
  for (auto id : loaded)
    if (const auto& e = entries[id]; e.unloadable())
      idle.emplace_back(e.used, id);
  std::sort(idle.begin(), idle.end());
  for (const auto& [used, id] : idle) {
    if (loaded.size() <= options.loaded_max) return;
    entries[id].chunks.reset();
    loaded.erase(id);
  }
}

/// Whoever waits for its chunks is told.
void catalog_state::erase(std::map<conversation_id, entry>::iterator it) {
  const auto gone = no_such_conversation(it->first);
  auto waiting = std::exchange(it->second.loading, {});
  loaded.erase(it->first);
  entries.erase(it);
  for (const auto& callback : waiting)
    callback(failed_with<entry*>(gone));
}

// ---- turns ------------------------------------------------------------------

caf::result<result<turn_opened>> catalog_state::open(const open_turn& m) {
  if (draining)
    return failed_with<turn_opened>(
        {error_code::unavailable, "the daemon is shutting down"});
  if (auto over = over_quota(m.who, m.conversation == 0))
    return failed_with<turn_opened>(*over);
  if (m.conversation == 0) {
    auto hosted = view->models.find(m.model);
    if (hosted == view->models.end())
      return failed_with<turn_opened>(
          {error_code::not_found, "no model '" + m.model + "'"});
    auto created = create(m, hosted->second);
    if (!created) return failed_with<turn_opened>(created.error());
    return start_turn(*created.value(), m);
  }
  reply_to<turn_opened> reply;
  auto promise = owe(reply);
  with_chunks(m.conversation, owned(m.conversation, m.who),
              [this, m, reply](const result<entry*>& e) {
                reply(e ? start_turn(*e.value(), m)
                        : failed_with<turn_opened>(e.error()));
              });
  return promise;
}

result<catalog_state::entry*> catalog_state::create(
    const open_turn& m, const hosted_model& hosted) {
  if (!hosted.model || !hosted.actor)
    return fail(error_code::unavailable,
                "model '" + m.model + "' is not ready: " + hosted.health);
  auto& e = add_entry(m.who, m.model);
  e.record.fingerprint = hosted.model->origin().model_fingerprint;
  e.record.root = root_of(hosted.model->origin());
  e.record.shape = hosted.model->shape();
  e.record.preview = preview_of(m.options->prompt);
  return &e;
}

catalog_state::entry& catalog_state::add_entry(const principal& who,
                                               const std::string& model) {
  conversation_id id = 0;
  while (id == 0 || entries.count(id) != 0)
    id = random();
  auto& e = entries[id];
  e.record.id = id;
  give_to(who, e.record);
  e.record.model = model;
  e.record.created_unix_ms = e.record.accessed_unix_ms = now_unix_ms();
  e.chunks.emplace();
  e.used = ++uses;
  loaded.insert(id);
  return e;
}

namespace {

void note_quality(catalog_state::entry& e, quality of_turn) {
  if (e.kept)
    e.kept = std::max(*e.kept, of_turn);
  else if (std::none_of(e.chunks->begin(), e.chunks->end(), has_activations))
    e.kept = of_turn;
}

}  // namespace

result<turn_opened> catalog_state::start_turn(entry& e, const open_turn& m) {
  auto& r = e.record;
  if (e.busy())
    return fail(error_code::conversation_busy,
                "another turn is being written to " + conversation_text(r.id));
  if (!m.model.empty() && m.model != r.model)
    return fail(error_code::invalid_argument,
                "conversation " + conversation_text(r.id) +
                    " belongs to model '" + r.model + "', not '" + m.model +
                    "'");
  auto hosted = view->models.find(r.model);
  if (hosted == view->models.end() || !hosted->second.actor)
    return fail(error_code::unavailable,
                "model '" + r.model + "' is not loaded");
  if (root_of(hosted->second.model->origin()) != r.root)
    return fail(error_code::invalid_argument,
                "the model now loaded as '" + r.model +
                    "' is another one than this conversation was written with");
  if (m.options->capture)
    note_quality(e, m.options->kept.value_or(hosted->second.kept));
  auto plan = std::make_shared<generation_plan>();
  plan->record = r;
  plan->chunks = *e.chunks;
  plan->options = m.options;
  plan->session = m.session;
  plan->hosted = hosted->second;
  plan->view = view;
  plan->abandon_after = options.abandon_after;
  // What an earlier turn still writes is on its way; what it gave up is not.
  plan->stored = e.syncing() ? r.positions : std::min(e.durable, r.positions);
  plan->recompute_on_read = options.recompute_on_read;
  auto writer = self->spawn(generation, plan);
  self->monitor(writer);
  e.writer = writer_actor(writer);
  e.turns.push_back(e.writer);
  written_by[e.writer.address()] = r.id;
  unload_oldest();
  return turn_opened{r.id, e.writer};
}

result<turn_opened> catalog_state::turn_of(const find_turn& m) {
  BOOST_OUTCOME_TRY(e, readable(m.conversation, m.who));
  return turn_opened{m.conversation,
                     e->turns.empty() ? writer_actor{} : e->turns.back()};
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
  // What is brought has no prompt to begin with.
  if (e.record.is_brought() && m.index == 0)
    e.record.preview = preview_of(m.record);
}

void catalog_state::mark(const mark_chunk& m) {
  auto it = entries.find(m.conversation);
  if (it == entries.end() || !it->second.chunks) return;
  auto& chunks = *it->second.chunks;
  if (m.index >= chunks.size() || chunks[m.index].name != m.name) return;
  auto& c = chunks[m.index];
  if (m.activations) mark_activations(c, *m.activations, m.only);
  if (m.lens) c.lens = *m.lens;
}

void catalog_state::close(const close_turn& m) {
  auto it = entries.find(m.conversation);
  if (it == entries.end()) return;
  auto& e = it->second;
  e.writer = nullptr;
  e.import = nullptr;
  if (m.state) {
    e.record.state = *m.state;
    e.record.turns += m.turns;
  } else if (e.record.positions == 0) {
    erase(it);  // a new conversation that came to nothing
  }
}

void catalog_state::made_durable(const positions_made_durable& m) {
  auto it = entries.find(m.conversation);
  if (it == entries.end()) return;
  auto& e = it->second;
  e.durable = std::max(e.durable, m.end);
  auto ready = std::stable_partition(
      e.forks.begin(), e.forks.end(),
      [&](const fork_waiting& w) { return w.command.position > e.durable; });
  std::vector<fork_waiting> due(ready, e.forks.end());
  e.forks.erase(ready, e.forks.end());
  for (auto& w : due)
    fork_now(e, std::move(w));
}

void catalog_state::writer_down(const caf::down_msg& m) {
  auto of = written_by.find(m.source);
  if (of == written_by.end()) return;
  const auto id = of->second;
  written_by.erase(of);
  auto it = entries.find(id);
  if (it == entries.end()) return check_drained();
  auto& e = it->second;
  auto is_it = [&](const writer_actor& w) { return w.address() == m.source; };
  std::erase_if(e.turns, is_it);
  e.cut |= static_cast<bool>(m.reason);
  if (e.writer && is_it(e.writer)) cut_off(e);
  if (!e.syncing()) {
    if (std::exchange(e.cut, false)) write_what_is_known(e);
    for (auto& w : std::exchange(e.forks, {}))
      w.reply(failed_with<conversation_record>(
          {error_code::unavailable, "these positions did not become durable"}));
    // These may erase the entry, so they are taken out of it first.
    auto due = std::exchange(e.when_synced, {});
    for (const auto& action : due)
      action();
    it = entries.find(id);
    if (it != entries.end() && it->second.record.positions == 0)
      erase(it);  // it died before its first token
  }
  unload_oldest();
  check_drained();
}

/// Running turns write with the handles of the newest view, too.
void catalog_state::follow(const view_ptr& newest) {
  view = newest;
  options.abandon_after = view->tuned.abandon_after;
  options.recompute_on_read = view->tuned.recompute_on_read;
  for (auto& [id, e] : entries)
    for (const auto& turn : e.turns)
      self->send(turn, view_changed{newest});
}

caf::result<turns_drained> catalog_state::drain(const drain_turns& m) {
  draining = true;
  drainers.push_back(self->make_response_promise<
                     caf::typed_response_promise<turns_drained>>());
  auto promise = drainers.back();
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
  if (!draining || !written_by.empty()) return;
  for (auto& promise : std::exchange(drainers, {}))
    promise.deliver(turns_drained{});
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
      [&state](const open_import& m) { return state.begin_import(m); },
      [&state](const find_import& m) { return state.import_of(m); },
      [&state](const find_shared_chunks& m) { return state.find_shared(m); },
      [&state](const update_chunk& m) { state.update(m); },
      [&state](const mark_chunk& m) { state.mark(m); },
      [&state](const chunk_found& m) { state.found(m); },
      [&state](const store_evicted& m) { state.evicted(*m.report); },
      [&state](const close_turn& m) { state.close(m); },
      [&state](const positions_made_durable& m) { state.made_durable(m); },
      [&state](const locate_positions& m) { return state.locate(m); },
      [&state](const get_token_ids& m) { return state.ids(m); },
      [&state](const list_conversations& m) { return state.list(m); },
      [&state](const show_conversation& m) { return state.show(m); },
      [&state](const remove_conversation& m) { return state.remove(m); },
      [&state](const pin_conversation& m) { return state.pin(m); },
      [&state](const share_conversation& m) { return state.share(m); },
      [&state](const split_conversation& m) { return state.split(m); },
      [&state](const drain_turns& m) { return state.drain(m); },
      [&state](const drain_grace_over&) { state.cancel_all(); },
      [&state](const get_catalog_status&) { return state.status(); },
      [&state](const view_changed& m) { state.follow(m.view); },
      [&state, self, flush_every](const access_flush_due&) {
        state.flush_access();
        self->delayed_send(self, flush_every, access_flush_due{});
      },
  };
}

}  // namespace lamina

// What changes conversations: pin, delete, fork, access times.
#include <spdlog/spdlog.h>

#include <caf/all.hpp>
#include <unordered_set>
#include <utility>

#include "actors/catalog.hpp"
#include "actors/messages/disk.hpp"
#include "actors/messages/model.hpp"
#include "actors/messages/shard.hpp"
#include "actors/messages/turn.hpp"
#include "protocol/id_text.hpp"

namespace lamina {
namespace {

/// Of what a turn is asked: it may have died with the question.
constexpr auto turn_timeout = std::chrono::seconds(30);

error disk_silent(const caf::error& reason) {
  return {error_code::unavailable,
          "the disk did not answer: " + to_string(reason)};
}

}  // namespace

void catalog_state::write_record(
    const conversation_record& record,
    std::function<void(const acknowledgement&)> then) {
  auto ops = std::make_shared<std::vector<write_op>>();
  ops->push_back(put_conversation{record});
  self->request(view->disk, caf::infinite, write_ops{ops})
      .then(
          [then](const result<ops_written>& written) {
            then(written ? acknowledgement(acknowledged{})
                         : failed_with<acknowledged>(written.error()));
          },
          [then](const caf::error& e) {
            then(failed_with<acknowledged>(disk_silent(e)));
          });
}

caf::result<record_result> catalog_state::pin(const pin_conversation& m) {
  auto found = owned(m.conversation, m.who);
  if (!found) return failed_with<conversation_record>(found.error());
  found.value()->record.pinned = m.pinned;
  return amend(*found.value());
}

caf::result<record_result> catalog_state::share(const share_conversation& m) {
  auto found = owned(m.conversation, m.who);
  if (!found) return failed_with<conversation_record>(found.error());
  // A name that was mistyped might be another group's.
  if (!m.group.empty() && !m.who.in_group(m.group))
    return failed_with<conversation_record>(
        {error_code::forbidden,
         m.who.name() + " is not in a group '" + m.group + "'"});
  found.value()->record.group = m.group;
  return amend(*found.value());
}

/// Writes the record, which has changed.
caf::result<record_result> catalog_state::amend(entry& e) {
  const amend_turn news{e.record.pinned, e.record.group};
  reply_to<conversation_record> reply;
  auto promise = owe(reply);
  auto answer = [reply, record = e.record](const acknowledgement& done) {
    reply(done ? record_result(record)
               : failed_with<conversation_record>(done.error()));
  };
  if (!e.syncing()) {
    write_record(e.record, answer);
    return promise;
  }
  // A turn writes this record itself as it goes, so each must know.
  for (const auto& turn : e.turns)
    if (turn != e.turns.back())
      self->request(turn, turn_timeout, news)
          .then([](const acknowledgement&) {}, [](const caf::error&) {});
  self->request(e.turns.back(), turn_timeout, news)
      .then(answer, [this, answer, id = e.record.id](const caf::error&) {
        if (auto it = entries.find(id); it != entries.end())
          write_record(it->second.record, answer);
        else
          answer(failed_with<acknowledged>(no_such_conversation(id)));
      });
  return promise;
}

caf::result<acknowledgement> catalog_state::remove(
    const remove_conversation& m) {
  auto found = owned(m.conversation, m.who);
  if (!found) return failed_with<acknowledged>(found.error());
  auto& e = *found.value();
  if (e.busy())
    return failed_with<acknowledged>(
        {error_code::conversation_busy,
         "a turn of " + conversation_text(m.conversation) +
             " is being written; cancel it or wait"});
  reply_to<acknowledged> reply;
  auto promise = owe(reply);
  // What a turn still writes must not come after the deletion.
  if (e.syncing())
    e.when_synced.push_back(
        [this, id = m.conversation, reply] { remove_now(id, reply); });
  else
    remove_now(m.conversation, reply);
  return promise;
}

/// Nobody sees the conversation from here on; it is forgotten only when the
/// disk has, for otherwise a restart would bring it back.
void catalog_state::remove_now(conversation_id id,
                               reply_to<acknowledged> reply) {
  auto it = entries.find(id);
  if (it == entries.end() || it->second.removing)
    return reply(failed_with<acknowledged>(no_such_conversation(id)));
  it->second.removing = true;
  for (const auto& callback : std::exchange(it->second.loading, {}))
    callback(failed_with<entry*>(no_such_conversation(id)));
  auto done = [this, id, reply](const acknowledgement& answer) {
    if (answer)
      removed(id);
    else if (auto kept = entries.find(id); kept != entries.end())
      kept->second.removing = false;
    reply(answer);
  };
  auto ops = std::make_shared<std::vector<write_op>>();
  ops->push_back(delete_conversation{id});
  self->request(view->disk, caf::infinite, write_ops{ops})
      .then(
          [done](const result<ops_written>& written) {
            // What never got to the disk is gone from there, too.
            done(written || written.error().code == error_code::not_found
                     ? acknowledgement(acknowledged{})
                     : failed_with<acknowledged>(written.error()));
          },
          [done](const caf::error& reason) {
            done(failed_with<acknowledged>(disk_silent(reason)));
          });
}

void catalog_state::removed(conversation_id id) {
  auto it = entries.find(id);
  if (it == entries.end()) return;
  auto& e = it->second;
  for (const auto& chunk : e.chunks ? *e.chunks : std::vector<chunk_record>{})
    if (!chunk.full)
      self->send(view->shard_of(chunk.name), discard_chunk{chunk.name});
  if (auto hosted = view->models.find(e.record.model);
      hosted != view->models.end() && hosted->second.actor)
    self->send(hosted->second.actor, forget_conversation{id});
  erase(it);
}

caf::result<record_result> catalog_state::split(const split_conversation& m) {
  if (auto over = over_quota(m.who, true))
    return failed_with<conversation_record>(*over);
  reply_to<conversation_record> reply;
  auto promise = owe(reply);
  with_chunks(m.conversation, readable(m.conversation, m.who),
              [this, m, reply](const result<entry*>& found) {
                if (found)
                  split_loaded(*found.value(), {m, reply});
                else
                  reply(failed_with<conversation_record>(found.error()));
              });
  return promise;
}

void catalog_state::split_loaded(entry& e, fork_waiting w) {
  auto position = w.command.position;
  if (position == 0 || position > e.size()) {
    w.reply(failed_with<conversation_record>(
        {error_code::out_of_range,
         "a fork keeps the first N positions, N from 1 to " +
             std::to_string(e.size()) + "; got " + std::to_string(position)}));
  } else if (position <= e.durable || !e.syncing()) {
    fork_now(e, std::move(w));
  } else {
    e.forks.push_back(std::move(w));
  }
}

void catalog_state::fork_now(entry& e, fork_waiting w) {
  auto record = e.record;
  do
    record.id = random();
  while (record.id == 0 || entries.count(record.id) != 0);
  record.parent = w.command.conversation;
  record.forked_at = record.positions = w.command.position;
  record.pinned = false;
  give_to(w.command.who, record);
  record.state = turn_state::complete;
  record.created_unix_ms = record.accessed_unix_ms = now_unix_ms();
  const auto last = record.positions - 1;
  if (e.chunks && chunk_of(last) < e.chunks->size())
    record.turns =
        1u + (*e.chunks)[chunk_of(last)].tokens[row_in_chunk(last)].turn;
  auto ops = std::make_shared<std::vector<write_op>>();
  ops->push_back(fork_conversation{w.command.conversation, record});
  self->request(view->disk, caf::infinite, write_ops{ops})
      .then(
          [this, w, record](const result<ops_written>& written) {
            if (!written)
              return w.reply(failed_with<conversation_record>(written.error()));
            auto& fork = entries[record.id];
            fork.record = record;
            fork.durable = record.positions;
            if (auto source = entries.find(record.parent);
                source != entries.end())
              fork.kept = source->second.kept;
            w.reply(record_result(record));
          },
          [w](const caf::error& reason) {
            w.reply(failed_with<conversation_record>(disk_silent(reason)));
          });
}

void catalog_state::found(const chunk_found& m) {
  auto it = entries.find(m.conversation);
  if (it == entries.end() || it->second.removing) return;
  load(m.conversation, it->second, [this, m](const result<entry*>& e) {
    if (e) correct_found(*e.value(), m);
  });
}

void catalog_state::correct_found(entry& e, const chunk_found& m) {
  const auto& chunks = *e.chunks;
  if (m.index >= chunks.size() || chunks[m.index].name != m.name) return;
  const auto& c = chunks[m.index];
  const auto all = (1u << c.tokens.size()) - 1;
  auto news = [&](std::optional<presence> told, presence known) {
    bool counts = told && *told != known &&
                  (*told != presence::present || (all & ~m.rows) == 0);
    return counts ? told : std::nullopt;
  };
  // When the sites differ, what is true of all of them is news of one.
  auto known = m.only == site::embed        ? c.embed
               : m.only == site::final_norm ? c.final_norm
                                            : c.resid_post;
  if (!m.only && c.embed != known) known = c.embed;
  if (!m.only && m.activations == known) known = c.final_norm;
  mark_chunk change{
      m.conversation,       m.index, m.name, news(m.activations, known),
      news(m.lens, c.lens), m.only};
  // What was stored again may be kept less faithfully than a turn had asked.
  if (change.activations == presence::present) e.kept.reset();
  if (change.activations || change.lens) correct(e, change);
}

/// The ledger in memory, and on disk: a turn writes its own records.
void catalog_state::correct(entry& e, const mark_chunk& m) {
  mark(m);
  if (e.syncing()) return self->send(e.turns.back(), m);
  auto ops = std::make_shared<std::vector<write_op>>();
  ops->push_back(
      put_chunk{m.conversation, m.index, (*e.chunks)[m.index], {}, nullptr});
  self->request(view->disk, caf::infinite, write_ops{std::move(ops)})
      .then([](const result<ops_written>&) {},
            [](const caf::error& reason) {
              spdlog::warn("catalog: a ledger entry was not written: {}",
                           caf::to_string(reason));
            });
}

/// On disk this is so already.
void catalog_state::evicted(const eviction_report& report) {
  for (auto id : report.conversations_removed) {
    auto it = entries.find(id);
    if (it == entries.end()) continue;
    if (!it->second.syncing()) {
      erase(it);
      continue;
    }
    // Its turn had begun in that moment: all of it is written again.
    it->second.durable = 0;
    it->second.cut = true;
  }
  const std::unordered_set<digest, digest_hash> names(report.names.begin(),
                                                      report.names.end());
  if (names.empty()) return;
  for (auto id : loaded) {
    auto it = entries.find(id);
    if (it == entries.end() || !it->second.chunks) continue;
    auto& e = it->second;
    for (auto& chunk : *e.chunks)
      if (names.contains(chunk.name))
        for (presence* p : {&chunk.embed, &chunk.resid_post, &chunk.final_norm})
          if (*p == presence::present) *p = presence::evicted;
  }
}

/// Access times of idle conversations; running ones write their own record.
void catalog_state::flush_access() {
  touch_conversations used;
  for (auto& [id, e] : entries) {
    if (!e.accessed || e.syncing()) continue;
    e.accessed = false;
    used.uses.push_back({id, e.record.accessed_unix_ms});
  }
  if (used.uses.empty()) return;
  auto ops = std::make_shared<std::vector<write_op>>();
  ops->push_back(std::move(used));
  self->request(view->disk, caf::infinite, write_ops{ops})
      .then([](const result<ops_written>&) {},
            [](const caf::error& e) {
              spdlog::warn("catalog: access times not written: {}",
                           caf::to_string(e));
            });
}

}  // namespace lamina

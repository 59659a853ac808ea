// What changes conversations: pin, delete, fork, access times.
#include <spdlog/spdlog.h>

#include <caf/all.hpp>
#include <unordered_set>
#include <utility>

#include "actors/catalog.hpp"
#include "protocol/id_text.hpp"

namespace lamina {
namespace {

constexpr auto disk_timeout = std::chrono::seconds(30);

}  // namespace

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
  auto answer = [promise,
                 record = e.record](const acknowledgement& done) mutable {
    promise.deliver(done ? record_result(record)
                         : failed_with<conversation_record>(done.error()));
  };
  if (!e.syncing()) {
    write_record(e.record, answer);
    return promise;
  }
  // The turn writes this record itself as it goes, so it must know.
  self->request(e.turns.back(), disk_timeout, pin_turn{m.pinned})
      .then(answer, [this, answer, id = m.conversation](const caf::error&) {
        if (auto it = entries.find(id); it != entries.end())
          write_record(it->second.record, answer);
      });
  return promise;
}

caf::result<acknowledgement> catalog_state::remove(
    const remove_conversation& m) {
  auto found = owned(m.conversation, m.uid);
  if (!found) return failed_with<acknowledged>(found.error());
  auto& e = *found.value();
  if (e.busy())
    return failed_with<acknowledged>(
        {error_code::conversation_busy,
         "a turn of " + conversation_text(m.conversation) +
             " is being written; cancel it or wait"});
  using promise_type = caf::typed_response_promise<acknowledgement>;
  auto promise = self->make_response_promise<promise_type>();
  // What a turn still writes must not come after the deletion.
  if (e.syncing())
    e.when_synced.push_back(
        [this, id = m.conversation, promise] { remove_now(id, promise); });
  else
    remove_now(m.conversation, promise);
  return promise;
}

void catalog_state::remove_now(
    conversation_id id, caf::typed_response_promise<acknowledgement> reply) {
  auto it = entries.find(id);
  if (it == entries.end()) {
    reply.deliver(failed_with<acknowledged>(no_such_conversation(id)));
    return;
  }
  auto& e = it->second;
  for (const auto& chunk : e.chunks ? *e.chunks : std::vector<chunk_record>{})
    if (!chunk.full)
      self->send(view->shard_of(chunk.name), discard_chunk{chunk.name});
  if (auto hosted = view->models.find(e.record.model);
      hosted != view->models.end() && hosted->second.actor)
    self->send(hosted->second.actor, forget_conversation{id});
  for (const auto& callback : std::exchange(e.loading, {}))
    callback(failed_with<entry*>(no_such_conversation(id)));
  entries.erase(it);
  auto ops = std::make_shared<std::vector<write_op>>();
  ops->push_back(delete_conversation{id});
  self->request(view->disk, disk_timeout, write_ops{ops})
      .then(
          [reply](const result<ops_written>& written) mutable {
            reply.deliver(written ? acknowledgement(acknowledged{})
                                  : failed_with<acknowledged>(written.error()));
          },
          [reply](const caf::error& reason) mutable {
            reply.deliver(failed_with<acknowledged>(
                {error_code::unavailable,
                 "the disk did not answer: " + to_string(reason)}));
          });
}

caf::result<record_result> catalog_state::split(const split_conversation& m) {
  using promise_type = caf::typed_response_promise<record_result>;
  auto promise = self->make_response_promise<promise_type>();
  with_chunks(
      m.conversation, m.uid,
      [this, m, promise](const result<entry*>& found) mutable {
        if (found)
          split_loaded(*found.value(), {m, promise});
        else
          promise.deliver(failed_with<conversation_record>(found.error()));
      });
  return promise;
}

void catalog_state::split_loaded(entry& e, fork_waiting w) {
  auto position = w.command.position;
  if (position == 0 || position > e.size()) {
    w.reply.deliver(failed_with<conversation_record>(
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
  record.state = turn_state::complete;
  record.created_unix_ms = record.accessed_unix_ms = now_unix_ms();
  const auto last = record.positions - 1;
  if (e.chunks && chunk_of(last) < e.chunks->size())
    record.turns =
        1u + (*e.chunks)[chunk_of(last)].tokens[row_in_chunk(last)].turn;
  auto ops = std::make_shared<std::vector<write_op>>();
  ops->push_back(fork_conversation{w.command.conversation, record});
  self->request(view->disk, disk_timeout, write_ops{ops})
      .then(
          [this, w, record](const result<ops_written>& written) mutable {
            if (!written) {
              w.reply.deliver(
                  failed_with<conversation_record>(written.error()));
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

void catalog_state::found(const chunk_found& m) {
  auto it = entries.find(m.conversation);
  if (it == entries.end()) return;
  if (!it->second.chunks)
    return with_chunks(m.conversation, it->second.record.owner_uid,
                       [this, m](const result<entry*>& loaded) {
                         if (loaded) found(m);
                       });
  auto& chunks = *it->second.chunks;
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
  if (change.activations || change.lens) correct(it->second, change);
}

/// The ledger in memory, and on disk: a turn writes its own records.
void catalog_state::correct(entry& e, const mark_chunk& m) {
  mark(m);
  if (e.syncing()) return self->send(e.turns.back(), m);
  auto ops = std::make_shared<std::vector<write_op>>();
  ops->push_back(
      put_chunk{m.conversation, m.index, (*e.chunks)[m.index], {}, nullptr});
  self->request(view->disk, disk_timeout, write_ops{std::move(ops)})
      .then([](const result<ops_written>&) {},
            [](const caf::error& reason) {
              spdlog::warn("catalog: a ledger entry was not written: {}",
                           caf::to_string(reason));
            });
}

/// On disk this is so already.
void catalog_state::evicted(const eviction_report& report) {
  for (auto id : report.conversations_removed)
    if (auto it = entries.find(id);
        it != entries.end() && !it->second.syncing())
      entries.erase(it);
  const std::unordered_set<digest, digest_hash> names(report.names.begin(),
                                                      report.names.end());
  for (auto& [id, e] : entries) {
    if (!e.chunks) continue;
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
  self->request(view->disk, disk_timeout, write_ops{ops})
      .then([](const result<ops_written>&) {},
            [](const caf::error& e) {
              spdlog::warn("catalog: access times not written: {}",
                           caf::to_string(e));
            });
}

}  // namespace lamina

#include "actors/disk.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <caf/all.hpp>
#include <map>
#include <utility>

#include "actors/messages/ledger.hpp"
#include "actors/view.hpp"

namespace lamina {
namespace {

/// What is tried even while the disk fails: it frees room, or is wanted now.
bool is_wanted_now(const std::vector<write_op>& ops) {
  return std::any_of(ops.begin(), ops.end(), [](const write_op& op) {
    return std::holds_alternative<delete_conversation>(op) ||
           std::holds_alternative<fork_conversation>(op);
  });
}

/// Who is told that all of a conversation up to a position is stored. A chunk
/// that failed leaves a gap.
std::map<conversation_id, position_t> complete_up_to(
    std::span<const write_op> ops, const commit_report& done) {
  std::map<conversation_id, position_t> ends;
  for (std::size_t i = 0; i < ops.size(); ++i)
    if (const auto* put = std::get_if<put_conversation>(&ops[i]);
        put && !done.failed[i])
      ends[put->record.id] = put->record.positions;
  for (std::size_t i = 0; i < ops.size(); ++i)
    if (const auto* chunk = std::get_if<put_chunk>(&ops[i]);
        chunk && done.failed[i])
      ends.erase(chunk->conversation);
  return ends;
}

/// Which rows of each name have lens records, be it with their chunk or alone.
std::map<digest, std::uint32_t> lens_rows_of(std::span<const write_op> ops) {
  std::map<digest, std::uint32_t> rows;
  for (const auto& op : ops) {
    if (const auto* chunk = std::get_if<put_chunk>(&op); chunk && chunk->lens)
      rows[chunk->record.name] |= chunk->lens->complete;
    if (const auto* lens = std::get_if<put_lens>(&op); lens && lens->lens)
      rows[lens->name] |= lens->lens->complete;
  }
  return rows;
}

std::vector<write_op> gather(const std::vector<disk_state::waiting>& group) {
  std::vector<write_op> ops;
  for (const auto& w : group)
    ops.insert(ops.end(), w.ops->begin(), w.ops->end());
  return ops;
}

}  // namespace

disk_state::~disk_state() {
  for (auto* waits : {&committing, &group})
    for (auto& w : *waits)
      w.reply.deliver(result<ops_written>(
          fail(error_code::unavailable, "the disk actor stopped")));
}

void disk_state::enqueue(waiting w) {
  if (retry_delay.count() != 0) {
    const error why{error_code::unavailable,
                    "nothing is stored at the moment: " + status.last_error};
    committing.push_back(std::move(w));
    const auto ops = committing.back().ops;
    if (!is_wanted_now(*ops)) keep(*ops, why);
    answer(0, false,
           is_wanted_now(*ops) ? write(*ops) : result<commit_report>(why));
    return;
  }
  for (const auto& op : *w.ops)
    group_bytes += payload_bytes(op);
  group.push_back(std::move(w));
  if (group_bytes >= options.commit_bytes) {
    commit();
  } else if (!commit_armed) {
    commit_armed = true;
    self->delayed_send(self, options.commit_delay, commit_due{});
  }
}

/// What is owed and what has gathered, in one transaction; what went wrong with
/// it, if anything.
std::optional<error> disk_state::commit() {
  if (group.empty() && owed.empty()) return std::nullopt;
  committing = std::exchange(group, {});
  group_bytes = 0;
  auto fresh = gather(committing);
  bool refused = false;
  if (status.cache_full)
    for (auto& op : fresh)
      refused |= drop_values(op);
  std::vector<write_op> ops(owed.ops().begin(), owed.ops().end());
  const auto first_fresh = ops.size();
  ops.insert(ops.end(), fresh.begin(), fresh.end());
  const auto outcome = write(ops);
  if (!outcome) keep(fresh, outcome.error());
  answer(first_fresh, refused, outcome);
  if (!outcome) return outcome.error();
  if (retry_delay.count() != 0)
    caught_up(std::span(ops).first(first_fresh), outcome.value());
  return std::nullopt;
}

result<commit_report> disk_state::write(std::span<const write_op> ops) {
  auto outcome = environment->commit(ops);
  ++status.commits;
  if (outcome) {
    status.bytes_written += outcome.value().bytes_written;
    for (const auto& op : ops)
      if (const auto* gone = std::get_if<delete_conversation>(&op))
        owed.forget(gone->id);
    status.owed_bytes = owed.bytes();
    look_after(ops, outcome.value());
  } else {
    ++status.failures;
    status.last_error = to_string(outcome.error());
  }
  return outcome;
}

void disk_state::answer(std::size_t first_op, bool refused,
                        const result<commit_report>& outcome) {
  std::size_t op = first_op;
  for (auto& w : committing) {
    result<ops_written> reply = ops_written{};
    if (!outcome) {
      reply = outcome.error();
    } else {
      reply = ops_written{outcome.value().values_written,
                          outcome.value().values_shared,
                          outcome.value().bytes_written, refused};
      for (std::size_t i = 0; i < w.ops->size(); ++i)
        if (const auto& failed = outcome.value().failed[op + i])
          reply = *failed;
    }
    op += w.ops->size();
    w.reply.deliver(std::move(reply));
  }
  committing.clear();
}

/// The disk could not take these: they are tried again later.
void disk_state::keep(std::span<const write_op> ops, const error& why) {
  owed.add(ops);
  status.owed_bytes = owed.bytes();
  status.owed_dropped = owed.dropped();
  if (retry_delay.count() != 0) return;
  spdlog::error("disk: {}; going on in memory", to_string(why));
  retry_delay = options.retry_first;
  status.memory_only = true;
  // One that was armed before a flush caught up serves this failure, too.
  if (std::exchange(retry_armed, true)) return;
  self->delayed_send(self, retry_delay, retry_due{});
}

void disk_state::retry() {
  retry_armed = false;
  if (retry_delay.count() == 0) return;
  // Nothing is owed (any more): the next write shows how the disk is.
  if (owed.empty()) return caught_up({}, {});
  if (!commit()) return;
  retry_delay = std::min(options.retry_longest, retry_delay * 2);
  retry_armed = true;
  self->delayed_send(self, retry_delay, retry_due{});
}

void disk_state::caught_up(std::span<const write_op> ops,
                           const commit_report& done) {
  spdlog::info("disk: it takes writes again; {} that it owed are stored",
               ops.size());
  retry_delay = std::chrono::milliseconds(0);
  status.memory_only = false;
  status.last_error.clear();
  if (view) tell_caught_up(ops, done);
  owed.clear();
  status.owed_bytes = 0;
}

/// Their turns were told that this was lost, and said so in later records.
void disk_state::tell_caught_up(std::span<const write_op> ops,
                                const commit_report& done) {
  for (const auto& [id, end] : complete_up_to(ops, done))
    self->send(view->catalog, positions_made_durable{id, end});
  const auto rated = lens_rows_of(ops);
  for (std::size_t i = 0; i < ops.size(); ++i) {
    const auto* chunk = std::get_if<put_chunk>(&ops[i]);
    if (chunk == nullptr || done.failed[i]) continue;
    const auto& record = chunk->record;
    chunk_found news{chunk->conversation, chunk->index,
                     record.name,         (1u << record.tokens.size()) - 1,
                     std::nullopt,        std::nullopt};
    if (!chunk->values.empty()) news.activations = presence::present;
    if (const auto lens = rated.find(record.name);
        lens != rated.end() && (news.rows & ~lens->second) == 0)
      news.lens = presence::present;
    if (news.activations || news.lens) self->send(view->catalog, news);
  }
}

disk_self::behavior_type disk(disk_state::pointer self,
                              std::shared_ptr<store> environment,
                              disk_options options) {
  auto& state = self->state;
  state.environment = std::move(environment);
  state.options = options;
  state.owed = write_backlog(options.backlog_bytes_max);
  const auto& opened = state.environment->opened();
  if (opened.damage) spdlog::error("disk: {}", opened.damage->context);
  if (opened.migrated_from)
    spdlog::info("disk: the store had format {} and was migrated",
                 *opened.migrated_from);
  self->send(self, sweep_due{});  // what an earlier run left behind
  self->delayed_send(self, options.retention_delay, retention_due{true});
  return {
      [self](const write_ops& m) {
        auto promise = self->make_response_promise<disk_state::promise>();
        self->state.enqueue({promise, m.ops});
        return promise;
      },
      [self](const flush_disk&) -> result<ops_written> {
        if (auto failed = self->state.commit()) return *failed;
        return ops_written{};
      },
      [self](const get_disk_status&) { return self->state.status; },
      [self](const view_changed& m) {
        self->state.view = m.view;
        self->state.options.retention = m.view->tuned.retention;
      },
      [self](const commit_due&) {
        self->state.commit_armed = false;
        self->state.commit();
      },
      [self](const sweep_due&) { self->state.sweep(); },
      [self](const retry_due&) { self->state.retry(); },
      [self](const retention_due& due) {
        auto& s = self->state;
        if (due.periodic) {
          s.repair();
          self->delayed_send(self, s.options.retention_delay,
                             retention_due{true});
        }
        s.retain();
      },
  };
}

}  // namespace lamina

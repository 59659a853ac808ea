#include "actors/disk.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <caf/all.hpp>
#include <utility>

namespace lamina {
namespace {

/// What is tried even while the disk fails: it frees room, or is wanted now.
bool is_wanted_now(const std::vector<write_op>& ops) {
  return std::any_of(ops.begin(), ops.end(), [](const write_op& op) {
    return std::holds_alternative<delete_conversation>(op) ||
           std::holds_alternative<fork_conversation>(op);
  });
}

std::vector<write_op> gather(const std::vector<disk_state::waiting>& group) {
  std::vector<write_op> ops;
  for (const auto& w : group)
    ops.insert(ops.end(), w.ops->begin(), w.ops->end());
  return ops;
}

}  // namespace

disk_state::~disk_state() {
  for (auto& w : group)
    w.reply.deliver(result<ops_written>(
        fail(error_code::unavailable, "the disk actor stopped")));
}

void disk_state::enqueue(waiting w) {
  if (retry_delay.count() != 0) {
    const error why{error_code::unavailable,
                    "nothing is stored at the moment: " + status.last_error};
    if (!is_wanted_now(*w.ops)) {
      keep(*w.ops, why);
      w.reply.deliver(result<ops_written>(fail(why.code, why.context)));
    } else {
      const auto outcome = write(*w.ops);
      answer({w}, 0, false, outcome);
    }
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
  const auto taken = std::exchange(group, {});
  group_bytes = 0;
  auto fresh = gather(taken);
  bool refused = false;
  if (status.cache_full)
    for (auto& op : fresh)
      refused |= drop_values(op);
  std::vector<write_op> ops(owed.ops().begin(), owed.ops().end());
  const auto first_fresh = ops.size();
  ops.insert(ops.end(), fresh.begin(), fresh.end());
  const auto outcome = write(ops);
  answer(taken, first_fresh, refused, outcome);
  if (!outcome) {
    keep(fresh, outcome.error());
    return outcome.error();
  }
  if (retry_delay.count() != 0) caught_up(std::span(ops).first(first_fresh));
  return std::nullopt;
}

result<commit_report> disk_state::write(std::span<const write_op> ops) {
  auto outcome = environment->commit(ops);
  ++status.commits;
  if (outcome) {
    status.bytes_written += outcome.value().bytes_written;
    look_after(ops, outcome.value());
  } else {
    ++status.failures;
    status.last_error = to_string(outcome.error());
  }
  return outcome;
}

void disk_state::answer(const std::vector<waiting>& taken, std::size_t first_op,
                        bool refused, const result<commit_report>& outcome) {
  std::size_t op = first_op;
  for (auto w : taken) {
    result<ops_written> reply = ops_written{};
    if (!outcome) {
      reply = fail(outcome.error().code, outcome.error().context);
    } else {
      reply = ops_written{outcome.value().values_written,
                          outcome.value().values_shared,
                          outcome.value().bytes_written, refused};
      for (std::size_t i = 0; i < w.ops->size(); ++i)
        if (const auto& failed = outcome.value().failed[op + i])
          reply = fail(failed->code, failed->context);
    }
    op += w.ops->size();
    w.reply.deliver(std::move(reply));
  }
}

/// The disk could not take these: they are tried again later.
void disk_state::keep(std::span<const write_op> ops, const error& why) {
  owed.add(ops);
  status.owed_bytes = owed.bytes();
  status.owed_dropped = owed.dropped();
  if (retry_delay.count() == 0) {
    spdlog::error("disk: {}; going on in memory", to_string(why));
    retry_delay = options.retry_first;
    status.memory_only = true;
    self->delayed_send(self, retry_delay, retry_due{});
  }
}

void disk_state::caught_up(std::span<const write_op> ops) {
  spdlog::info("disk: it takes writes again; {} that it owed are stored",
               ops.size());
  retry_delay = std::chrono::milliseconds(0);
  status.memory_only = false;
  status.last_error.clear();
  if (view)
    for (const auto& op : ops)
      tell_caught_up(op);
  owed.clear();
  status.owed_bytes = 0;
}

/// Its turn was told that this was lost, and said so in later records.
void disk_state::tell_caught_up(const write_op& op) {
  if (const auto* put = std::get_if<put_conversation>(&op))
    self->send(view->catalog,
               positions_made_durable{put->record.id, put->record.positions});
  const auto* chunk = std::get_if<put_chunk>(&op);
  if (chunk == nullptr || chunk->values.empty()) return;
  self->send(view->catalog,
             chunk_found{chunk->conversation, chunk->index, chunk->record.name,
                         (1u << chunk->record.tokens.size()) - 1,
                         presence::present, std::nullopt});
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
        if (auto failed = self->state.commit())
          return fail(failed->code, failed->context);
        return ops_written{};
      },
      [self](const get_disk_status&) { return self->state.status; },
      [self](const view_changed& m) { self->state.view = m.view; },
      [self](const commit_due&) {
        self->state.commit_armed = false;
        self->state.commit();
      },
      [self](const sweep_due&) { self->state.sweep(); },
      [self](const retry_due&) {
        auto& s = self->state;
        if (s.retry_delay.count() == 0 || !s.commit()) return;
        s.retry_delay = std::min(s.options.retry_longest, s.retry_delay * 2);
        self->delayed_send(self, s.retry_delay, retry_due{});
      },
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

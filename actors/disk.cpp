#include "actors/disk.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <caf/all.hpp>
#include <utility>

namespace lamina {
namespace {

/// Bytes that an op adds to a transaction, roughly.
std::uint64_t bytes_of(const write_op& op) {
  auto of_values = [](const std::vector<stored_value_ptr>& values) {
    std::uint64_t bytes = 0;
    for (const auto& v : values)
      bytes += v->bytes.size();
    return bytes;
  };
  if (const auto* chunk = std::get_if<put_chunk>(&op))
    return of_values(chunk->values) + 1024;
  if (const auto* values = std::get_if<put_values>(&op))
    return of_values(values->values);
  return 1024;
}

bool gives_up_a_name(const write_op& op) {
  const auto* chunk = std::get_if<put_chunk>(&op);
  return std::holds_alternative<delete_conversation>(op) ||
         (chunk && chunk->record.full);
}

}  // namespace

disk_state::~disk_state() {
  for (auto& w : group)
    w.reply.deliver(result<ops_written>(
        fail(error_code::unavailable, "the disk actor stopped")));
}

void disk_state::enqueue(waiting w) {
  for (const auto& op : *w.ops)
    group_bytes += bytes_of(op);
  group.push_back(std::move(w));
  if (group_bytes >= options.commit_bytes) {
    commit();
  } else if (!commit_armed) {
    commit_armed = true;
    self->delayed_send(self, options.commit_delay, commit_due{});
  }
}

/// What went wrong with the whole transaction, if anything.
std::optional<error> disk_state::commit() {
  if (group.empty()) return std::nullopt;
  auto taken = std::exchange(group, {});
  group_bytes = 0;
  std::vector<write_op> ops;
  for (const auto& w : taken)
    ops.insert(ops.end(), w.ops->begin(), w.ops->end());
  auto outcome = environment->commit(ops);
  ++status.commits;
  if (outcome) {
    status.bytes_written += outcome.value().bytes_written;
    status.last_error.clear();
  } else {
    ++status.failures;
    status.last_error = to_string(outcome.error());
    spdlog::error("disk: commit failed: {}", status.last_error);
  }
  answer(taken, outcome);
  if (!outcome) return outcome.error();
  // Deleted conversations and tails that filled leave something behind.
  if (std::any_of(ops.begin(), ops.end(), gives_up_a_name) && !sweep_armed) {
    sweep_armed = true;
    self->delayed_send(self, options.sweep_delay, sweep_due{});
  }
  return std::nullopt;
}

void disk_state::answer(const std::vector<waiting>& taken,
                        const result<commit_report>& outcome) {
  std::size_t op = 0;
  for (auto w : taken) {
    result<ops_written> reply = ops_written{};
    if (!outcome) {
      reply = fail(outcome.error().code, outcome.error().context);
    } else {
      reply = ops_written{outcome.value().values_written,
                          outcome.value().values_shared,
                          outcome.value().bytes_written};
      for (std::size_t i = 0; i < w.ops->size(); ++i)
        if (const auto& failed = outcome.value().failed[op + i])
          reply = fail(failed->code, failed->context);
    }
    op += w.ops->size();
    w.reply.deliver(std::move(reply));
  }
}

void disk_state::sweep() {
  sweep_armed = false;
  auto swept = environment->sweep(options.sweep_bytes);
  if (!swept) {
    spdlog::error("disk: sweep failed: {}", to_string(swept.error()));
    return;
  }
  // The next slice is a message of its own, so that commits get in between.
  if (swept.value().more) self->send(self, sweep_due{});
}

disk_self::behavior_type disk(disk_state::pointer self,
                              std::shared_ptr<store> environment,
                              disk_options options) {
  self->state.environment = std::move(environment);
  self->state.options = options;
  self->send(self, sweep_due{});  // what an earlier run left behind
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
      [self](const commit_due&) {
        self->state.commit_armed = false;
        self->state.commit();
      },
      [self](const sweep_due&) { self->state.sweep(); },
  };
}

reader_actor::behavior_type reader(reader_state::pointer self,
                                   std::shared_ptr<store> environment) {
  auto& state = self->state;
  state.environment = std::move(environment);
  state.reader = state.environment->reader();
  return {
      [&state](const read_conversations&) {
        return state.reader->conversations();
      },
      [&state](const read_chunks& m) { return state.reader->chunks(m.id); },
      [&state](const read_values& m) { return state.reader->values(m.keys); },
      [&state](const read_lens& m) { return state.reader->lens(m.name); },
      [&state](const read_statistics&) {
        return state.environment->statistics();
      },
  };
}

}  // namespace lamina

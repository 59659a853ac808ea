// How the disk actor keeps house: freeing, evicting, putting right.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <caf/all.hpp>
#include <chrono>
#include <utility>

#include "actors/disk.hpp"
#include "actors/messages/ledger.hpp"
#include "actors/view.hpp"

namespace lamina {
namespace {

bool gives_up_a_name(const write_op& op) {
  const auto* chunk = std::get_if<put_chunk>(&op);
  return std::holds_alternative<delete_conversation>(op) ||
         (chunk && chunk->record.full);
}

/// What may be written before the next look: a small budget is soon exceeded.
std::uint64_t unlooked_max(const disk_options& options) {
  const auto budget = options.retention.disk_bytes_max;
  if (budget == 0 || options.looks_a_budget == 0)
    return options.retention_bytes;
  return std::min(options.retention_bytes, budget / options.looks_a_budget);
}

}  // namespace

/// What a commit left to do.
void disk_state::look_after(std::span<const write_op> ops,
                            const commit_report& done) {
  // Deleted conversations and tails that filled leave something behind.
  if (std::any_of(ops.begin(), ops.end(), gives_up_a_name) && !sweep_armed) {
    sweep_armed = true;
    self->delayed_send(self, options.sweep_delay, sweep_due{});
  }
  written_unlooked += done.bytes_written;
  if (written_unlooked >= unlooked_max(options) && !retention_armed) {
    retention_armed = true;
    self->send(self, retention_due{});
  }
}

void disk_state::sweep() {
  sweep_armed = false;
  auto swept = environment->sweep(options.sweep_bytes);
  if (!swept) {
    spdlog::error("disk: sweep failed: {}", to_string(swept.error()));
    sweep_armed = true;
    self->delayed_send(self, options.retry_longest, sweep_due{});
    return;
  }
  // The next slice is a message of its own, so that commits get in between.
  if (swept.value().more) self->send(self, sweep_due{});
}

void disk_state::retain() {
  retention_armed = false;
  written_unlooked = 0;
  const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::system_clock::now().time_since_epoch());
  const auto steady = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now().time_since_epoch());
  const auto ages_at = ages.judge(now.count(), steady.count());
  auto asked = std::exchange(pursued, std::nullopt);
  if (!asked) {
    const auto counted = environment->statistics();
    if (!counted || counted.value().unreadable) return;
    asked = plan_eviction(options.retention, counted.value().file.used_bytes(),
                          now.count(), ages_at);
  }
  if (!asked) {
    status.cache_full = false;
    return;
  }
  asked->now_unix_ms = now.count();
  const auto evicted = environment->evict(*asked);
  if (!evicted) {
    spdlog::error("disk: eviction failed: {}", to_string(evicted.error()));
    return;
  }
  tell(evicted.value());
  if (!evicted.value().more) return;
  // Planned anew, the next slice would stop at the budget, short of the
  // reserve that this one was to reach.
  pursued = asked;
  retention_armed = true;
  self->send(self, retention_due{});
}

void disk_state::tell(const eviction_report& report) {
  status.values_evicted += report.values_removed;
  status.bytes_evicted += report.bytes_removed;
  if (report.values_removed != 0 || !report.conversations_removed.empty())
    spdlog::info("disk: evicted {} values and {} conversations, {} bytes",
                 report.values_removed, report.conversations_removed.size(),
                 report.bytes_removed);
  if (view && (!report.names.empty() || !report.conversations_removed.empty()))
    self->send(view->catalog,
               store_evicted{std::make_shared<const eviction_report>(report)});
  const bool full = is_cache_full(options.retention, report);
  if (full && !status.cache_full)
    spdlog::warn(
        "disk: the budget of {} bytes is exceeded, and only pinned "
        "conversations and running turns are left",
        options.retention.disk_bytes_max);
  status.cache_full = full;
}

void disk_state::repair() {
  const auto looked = environment->repair(options.repair_records);
  if (!looked)
    return spdlog::error("disk: repair failed: {}", to_string(looked.error()));
  const auto repaired = looked.value().repaired();
  status.records_repaired += repaired;
  if (repaired != 0)
    spdlog::warn("disk: {} records disagreed and were put right", repaired);
}

}  // namespace lamina

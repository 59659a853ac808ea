#include "actors/lens.hpp"

#include <caf/all.hpp>
#include <exception>
#include <utility>

#include "actors/lens/lens.hpp"

namespace lamina {
namespace {

/// What keeping the input alive costs: its rows' chunk.
std::uint64_t bytes_of(const compute_lens_rows& work) {
  return work.input->rows.chunk->bytes();
}

lens_computed compute(const compute_lens_rows& work, int threads) try {
  return std::make_shared<const lens_rows>(
      compute_lens(work.model->head(), *work.input, threads));
} catch (const std::exception& e) {
  return fail(error_code::internal,
              std::string("the lens computation failed: ") + e.what());
}

}  // namespace

lens_state::~lens_state() {
  for (auto& w : queue)
    w.reply.deliver(
        lens_computed(fail(error_code::unavailable, "the lens actor stopped")));
}

caf::result<lens_computed> lens_state::enqueue(const compute_lens_rows& work) {
  auto bytes = bytes_of(work);
  if (!queue.empty() &&
      status.queued_bytes + bytes > options.backlog_bytes_max) {
    ++status.refused;
    return lens_computed(fail(error_code::overloaded,
                              "the lens backlog has reached its budget"));
  }
  auto reply = self->make_response_promise<promise>();
  queue.push_back({reply, work});
  status.queued_bytes += bytes;
  status.queued = queue.size();
  if (queue.size() == 1) self->send(self, lens_due{});
  return reply;
}

void lens_state::compute_next() {
  auto rows = compute(queue.front().work, options.threads);
  auto done = std::move(queue.front());
  queue.pop_front();
  status.queued = queue.size();
  status.queued_bytes -= bytes_of(done.work);
  if (rows) status.computed_positions += rows.value()->count();
  done.reply.deliver(std::move(rows));
  if (!queue.empty()) self->send(self, lens_due{});
}

lens_self::behavior_type lens(lens_state::pointer self, lens_options options) {
  self->state.options = options;
  return {
      [self](const compute_lens_rows& m) { return self->state.enqueue(m); },
      [self](const get_lens_status&) { return self->state.status; },
      [self](const lens_due&) { self->state.compute_next(); },
  };
}

}  // namespace lamina

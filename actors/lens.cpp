#include "actors/lens.hpp"

#include <caf/all.hpp>
#include <exception>
#include <utility>

#include "actors/lens/lens.hpp"
#include "actors/model/tuned_lens.hpp"

namespace lamina {
namespace {

/// What keeping the input alive costs: its rows' chunk.
std::uint64_t bytes_of(const compute_lens_rows& work) {
  return work.input->rows.chunk->bytes();
}

lens_computed compute(const compute_lens_rows& work, int threads) {
  return std::make_shared<const lens_rows>(
      compute_lens(work.model->head(), *work.input, threads));
}

readout_computed compute(const compute_readout& work, int threads) {
  return std::make_shared<const readout>(
      read_out(work.model->head(), *work.query, work.rows, work.next, threads));
}

std::uint32_t positions_of(const compute_lens_rows& work) {
  return work.input->rows.end - work.input->rows.begin;
}

std::uint32_t positions_of(const compute_readout& work) {
  return work.rows.end - work.rows.begin;
}

/// Work whose result, or failure, goes to a promise.
template <class Result, class Work>
lens_state::waiting promised(caf::typed_response_promise<Result> reply,
                             const Work& work, std::uint64_t bytes,
                             int threads) {
  return {bytes,
          [reply, work, threads]() mutable -> std::uint32_t {
            try {
              reply.deliver(compute(work, threads));
              return positions_of(work);
            } catch (const std::exception& e) {
              reply.deliver(Result(fail(
                  error_code::internal,
                  std::string("the lens computation failed: ") + e.what())));
              return 0;
            }
          },
          [reply](const error& why) mutable { reply.deliver(Result(why)); }};
}

}  // namespace

lens_state::~lens_state() {
  for (auto& w : queue)
    w.give_up({error_code::unavailable, "the lens actor stopped"});
}

caf::result<lens_computed> lens_state::enqueue(const compute_lens_rows& work) {
  const auto bytes = work.patient ? 0 : bytes_of(work);
  if (!work.patient && !queue.empty() &&
      status.queued_bytes + bytes > options.backlog_bytes_max) {
    ++status.refused;
    return lens_computed(fail(error_code::overloaded,
                              "the lens backlog has reached its budget"));
  }
  auto reply =
      self->make_response_promise<caf::typed_response_promise<lens_computed>>();
  push(promised(reply, work, bytes, options.threads));
  return reply;
}

caf::result<readout_computed> lens_state::enqueue(const compute_readout& work) {
  auto reply = self->make_response_promise<
      caf::typed_response_promise<readout_computed>>();
  push(promised(reply, work, 0, options.threads));
  return reply;
}

/// A file that could not be opened is tried again the next time.
lens_maps_opened lens_state::open(const open_lens_maps& m) {
  if (auto it = opened.find(m.file); it != opened.end()) return it->second;
  const auto shape = m.model->shape();
  BOOST_OUTCOME_TRY(maps, open_tuned_lens(m.file, shape.layers, shape.width));
  opened.emplace(m.file, maps);
  return maps;
}

void lens_state::push(waiting work) {
  status.queued_bytes += work.bytes;
  queue.push_back(std::move(work));
  status.queued = queue.size();
  if (queue.size() == 1) self->send(self, lens_due{});
}

void lens_state::compute_next() {
  auto work = std::move(queue.front());
  queue.pop_front();
  status.queued = queue.size();
  status.queued_bytes -= work.bytes;
  status.computed_positions += work.compute();
  if (!queue.empty()) self->send(self, lens_due{});
}

lens_self::behavior_type lens(lens_state::pointer self, lens_options options) {
  self->state.options = options;
  return {
      [self](const compute_lens_rows& m) { return self->state.enqueue(m); },
      [self](const compute_readout& m) { return self->state.enqueue(m); },
      [self](const open_lens_maps& m) { return self->state.open(m); },
      [self](const get_lens_status&) { return self->state.status; },
      [self](const lens_due&) { self->state.compute_next(); },
  };
}

}  // namespace lamina

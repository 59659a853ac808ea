#include "actors/model/head_pass.hpp"

#include <algorithm>
#include <optional>

#include "actors/lens/lens.hpp"
#include "actors/model/machine_memory.hpp"

namespace lamina {
namespace {

// A stop string may have cut the next token off again.
std::optional<token_id> next_token(const head_job& job) {
  const auto& tokens = job.owner->tokens();
  if (job.position + 1 >= tokens.size()) return std::nullopt;
  return tokens[job.position + 1];
}

}  // namespace

head_pass::head_pass(const architecture& layers, const model_description& model,
                     bool on_device)
    : layers_(model.layers),
      slice_rows_(
          std::size_t{lens_slice_positions(model.layers, model.vocabulary)} *
          (model.layers + 1)),
      logits_(make_step_logits(layers, model.layers, on_device)) {}

std::uint32_t head_pass::run(
    const step_plan& plan, const chunk_writer& written, forward_memory& memory,
    const std::function<void(const std::exception&)>& make_room) {
  collect(plan, written);
  memory.clock.lap(step_part::other);
  std::uint32_t sampled = 0;
  for (std::size_t first = 0; first < jobs_.size();) {
    const auto slice =
        std::span(jobs_).subspan(first, end_of_slice(first) - first);
    try {
      compute(slice, written, memory);
    } catch (const std::exception& e) {
      if (!is_out_of_memory(e)) throw;
      make_room(e);
      jobs_.erase(
          std::remove_if(
              jobs_.begin() + static_cast<std::ptrdiff_t>(first), jobs_.end(),
              [](const head_job& job) { return job.owner->failed(); }),
          jobs_.end());
      memory.clock.lap(step_part::other);
      continue;
    }
    memory.clock.lap(step_part::lens);
    sampled += sample(slice);
    memory.clock.lap(step_part::sampling);
    rate(slice);
    hand_out(slice);
    memory.clock.lap(step_part::lens);
    first += slice.size();
  }
  return sampled;
}

void head_pass::collect(const step_plan& plan, const chunk_writer& written) {
  jobs_.clear();
  for (std::size_t i = 0; i < plan.spans.size(); ++i) {
    const step_span& span = plan.spans[i];
    sequence& owner = *plan.owners[i];
    for (std::uint32_t p = 0; p < span.count; ++p) {
      const std::uint32_t row = span.first_row + p;
      const bool lens =
          owner.lens() != nullptr && written.at(row).chunk != nullptr;
      const bool sample = p + 1 == span.count && owner.wants_token();
      if (lens || sample)
        jobs_.push_back({&owner, span.first + p, row, lens, sample});
    }
  }
}

// Decoding fits into one slice.
std::size_t head_pass::end_of_slice(std::size_t first) const {
  std::size_t last = first;
  for (std::size_t rows = 0; last < jobs_.size(); ++last) {
    rows += rows_of(jobs_[last]);
    if (rows > slice_rows_ && last > first) break;
  }
  return last;
}

std::uint32_t head_pass::rows_of(const head_job& job) const {
  return job.lens ? layers_ + 1 : 1;
}

void head_pass::compute(std::span<const head_job> jobs,
                        const chunk_writer& written, forward_memory& memory) {
  lens_rows_.clear();
  std::uint32_t rows = 0;
  for (const head_job& job : jobs) {
    const std::uint32_t own = rows_of(job);
    for (std::uint32_t l = 0; job.lens && l < own; ++l)
      lens_rows_.push_back({rows + l, rows + own - 1});
    rows += own;
  }
  logits_->compute(jobs, written, memory);
  logits_->summarise(lens_rows_);
}

std::uint32_t head_pass::sample(std::span<const head_job> jobs) {
  sampled_rows_.clear();
  std::uint32_t end = 0;
  for (const head_job& job : jobs) {
    end += rows_of(job);
    if (job.sample) sampled_rows_.push_back(end - 1);
  }
  auto row = logits_->read(sampled_rows_).begin();
  for (const head_job& job : jobs)
    if (job.sample) job.owner->sample(*row++);
  return static_cast<std::uint32_t>(sampled_rows_.size());
}

void head_pass::rate(std::span<const head_job> jobs) {
  auto row = lens_rows_.begin();
  for (const head_job& job : jobs) {
    if (!job.lens) continue;
    for (const auto end = row + rows_of(job); row != end; ++row)
      row->next = next_token(job);
  }
  logits_->rate(lens_rows_);
}

// In the order of positions, for each rates the one after it.
void head_pass::hand_out(std::span<const head_job> jobs) {
  auto row = lens_rows_.begin();
  for (const head_job& job : jobs) {
    if (!job.lens) continue;
    summaries_.clear();
    ratings_.clear();
    for (const auto end = row + rows_of(job); row != end; ++row) {
      summaries_.push_back(row->summary);
      ratings_.push_back(row->rating);
    }
    job.owner->lens()->take(job.position, summaries_);
    if (next_token(job)) job.owner->lens()->rate_next(ratings_);
  }
}

}  // namespace lamina

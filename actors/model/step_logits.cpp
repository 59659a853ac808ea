#include "actors/model/step_logits.hpp"

#include <omp.h>

#include <algorithm>

#include "actors/lens/lens.hpp"
#include "actors/model/kernels/team.hpp"

namespace lamina {
namespace {

std::uint32_t rows_of(const head_job& job, std::uint32_t layers) {
  return job.lens ? layers + 1 : 1;
}

// ---- on the CPU -------------------------------------------------------------

class host_logits final : public step_logits {
 public:
  host_logits(const output_head& head, std::uint32_t layers)
      : head_(head), layers_(layers) {}

  void compute(std::span<const head_job> jobs, const chunk_writer& written,
               forward_memory& memory) override;
  void summarise(std::span<lens_row> rows) override;
  void rate(std::span<lens_row> rows) override;
  std::span<const std::span<const float>> read(
      std::span<const std::uint32_t> rows) override;

 private:
  std::span<const float> row(std::uint32_t at) const {
    const std::size_t size = head_.vocabulary();
    return std::span(logits_).subspan(at * size, size);
  }

  const output_head& head_;
  std::uint32_t layers_;
  std::vector<float> residuals_;
  std::vector<float> logits_;
  std::vector<std::span<const float>> views_;
};

void gather(const head_job& job, const chunk_writer& written,
            const forward_memory& memory, std::span<float> out) {
  if (job.lens) {
    const capture::place& place = written.at(job.step_row);
    gather_residuals(*place.chunk, place.row, out);
    return;
  }
  const float* row = memory.residual.data() + job.step_row * out.size();
  std::copy(row, row + out.size(), out.begin());
}

// The residuals of all jobs in one pass over the head's weights.
void host_logits::compute(std::span<const head_job> jobs,
                          const chunk_writer& written, forward_memory& memory) {
  std::uint32_t rows = 0, sampled = 0;
  for (const head_job& job : jobs) {
    rows += rows_of(job, layers_);
    sampled += job.sample ? 1 : 0;
  }
  residuals_.resize(std::size_t{rows} * head_.width());
  logits_.resize(std::size_t{rows} * head_.vocabulary());
  std::span<float> to = residuals_;
  for (const head_job& job : jobs) {
    const std::size_t size = std::size_t{rows_of(job, layers_)} * head_.width();
    gather(job, written, memory, to.first(size));
    to = to.subspan(size);
  }
  head_.logits(residuals_, rows, logits_, omp_get_max_threads());
  // A position that is sampled needs one row of logits anyway.
  memory.clock.lap(step_part::matmul, static_cast<double>(sampled) / rows,
                   step_part::lens);
}

// All rows at once: a decoding sequence has one position, but many layers.
void host_logits::summarise(std::span<lens_row> rows) {
  for_each_unit(static_cast<std::uint32_t>(rows.size()), true,
                [&](std::uint32_t i) {
                  lens_row& r = rows[i];
                  r.summary = summarise_row(row(r.at), row(r.last).data());
                });
}

void host_logits::rate(std::span<lens_row> rows) {
  for_each_unit(static_cast<std::uint32_t>(rows.size()), true,
                [&](std::uint32_t i) {
                  lens_row& r = rows[i];
                  if (r.next)
                    r.rating = rate_row(row(r.at), r.summary, *r.next);
                });
}

std::span<const std::span<const float>> host_logits::read(
    std::span<const std::uint32_t> rows) {
  views_.clear();
  for (const auto at : rows)
    views_.push_back(row(at));
  return views_;
}

// ---- on a device ------------------------------------------------------------

class device_logits final : public step_logits {
 public:
  device_logits(const architecture& layers, std::uint32_t layer_count)
      : architecture_(layers), layers_(layer_count) {}

  void compute(std::span<const head_job> jobs, const chunk_writer& written,
               forward_memory& memory) override;
  void summarise(std::span<lens_row> rows) override;
  void rate(std::span<lens_row> rows) override;
  std::span<const std::span<const float>> read(
      std::span<const std::uint32_t> rows) override;

 private:
  const architecture& architecture_;
  std::uint32_t layers_;
  scored_rows_ptr scored_;
  std::vector<float> brought_;
  std::vector<std::span<const float>> views_;
};

void device_logits::compute(std::span<const head_job> jobs,
                            const chunk_writer& /*written*/,
                            forward_memory& memory) {
  std::vector<pass_row> rows;
  for (const head_job& job : jobs)
    for (std::uint32_t own = rows_of(job, layers_); own > 0; --own)
      rows.push_back({layers_ + 1 - own, job.step_row});
  scored_ = architecture_.score(rows, memory);
  memory.clock.lap(step_part::matmul);  // of all parts: they overlap there
}

void device_logits::summarise(std::span<lens_row> rows) {
  std::vector<row_pair> pairs;
  for (const lens_row& r : rows)
    pairs.push_back({r.at, r.last});
  const auto summaries = scored_->summarise(pairs);
  for (std::size_t i = 0; i < rows.size(); ++i)
    rows[i].summary = summaries[i];
}

void device_logits::rate(std::span<lens_row> rows) {
  std::vector<row_token> rated;
  for (const lens_row& r : rows)
    if (r.next) rated.push_back({r.at, *r.next});
  const auto ratings = scored_->rate(rated);
  std::size_t at = 0;
  for (lens_row& r : rows)
    if (r.next) r.rating = ratings[at++];
}

std::span<const std::span<const float>> device_logits::read(
    std::span<const std::uint32_t> rows) {
  views_.clear();
  if (rows.empty()) return views_;
  brought_ = scored_->logits(rows);
  const std::size_t vocabulary = architecture_.head().vocabulary();
  for (std::size_t i = 0; i < rows.size(); ++i)
    views_.push_back(std::span(brought_).subspan(i * vocabulary, vocabulary));
  return views_;
}

}  // namespace

std::unique_ptr<step_logits> make_step_logits(const architecture& layers,
                                              std::uint32_t layer_count,
                                              bool on_device) {
  if (on_device) return std::make_unique<device_logits>(layers, layer_count);
  return std::make_unique<host_logits>(layers.head(), layer_count);
}

}  // namespace lamina

// How a step ends: the logits of the positions that want some become the next
// tokens of their sequences and, for sequences with an eager lens, records of
// all layers. In slices, which bound the memory of logits. Kept between steps
// for its memory; engine's thread.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "actors/model/arch/architecture.hpp"
#include "actors/model/model.hpp"
#include "actors/model/step.hpp"
#include "actors/model/step_logits.hpp"

namespace lamina {

class head_pass {
 public:
  head_pass(const architecture& layers, const model_description& model,
            bool on_device);

  /// After the layers have run. When memory runs out in a slice, before
  /// anything was made of it, `make_room` is called and the slice taken again
  /// for those sequences that have not failed. Returns how many tokens were
  /// sampled.
  std::uint32_t run(
      const step_plan& plan, const chunk_writer& written,
      forward_memory& memory,
      const std::function<void(const std::exception&)>& make_room);

 private:
  void collect(const step_plan& plan, const chunk_writer& written);
  std::size_t end_of_slice(std::size_t first) const;
  std::uint32_t rows_of(const head_job& job) const;
  void compute(std::span<const head_job> jobs, const chunk_writer& written,
               forward_memory& memory);
  std::uint32_t sample(std::span<const head_job> jobs);
  void rate(std::span<const head_job> jobs);
  void hand_out(std::span<const head_job> jobs);

  std::uint32_t layers_;
  std::size_t slice_rows_;
  std::unique_ptr<step_logits> logits_;
  std::vector<head_job> jobs_;
  std::vector<lens_row> lens_rows_;  // of a slice, job after job
  std::vector<std::uint32_t> sampled_rows_;
  std::vector<distribution> summaries_;
  std::vector<token_rating> ratings_;
};

}  // namespace lamina

#include "actors/model/device/device_scores.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/logical_and.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "actors/model/device/torch_device.hpp"

namespace lamina {
namespace {

// As the CPU's: below this exp(x) is 0 for every purpose here.
constexpr float exponent_min = -87.0f;

at::Tensor brought_back(const at::Tensor& t) {
  return t.to(at::kCPU).contiguous();
}

// Of each row, relative to its highest logit h: the sums of e = exp(x - h), of
// e * (x - h) and of e * (x - reference). [rows][3]
at::Tensor sums_of(const at::Tensor& x, const at::Tensor& highest,
                   const at::Tensor& reference) {
  const at::Tensor shifted = x - highest;
  const at::Tensor e = shifted.exp();
  return at::stack({e.sum(-1), (e * shifted.clamp_min(exponent_min)).sum(-1),
                    (e * (x - reference)).sum(-1)},
                   -1);
}

// top: ids' logits, one more than a record keeps where there is one.
// Whether they are numbers, each lower than the one before.
bool is_plain(const float* top, std::int64_t count, const float* sums) {
  const auto finite = [](float x) { return std::isfinite(x); };
  return std::all_of(top, top + count, finite) &&
         std::all_of(sums, sums + 3, finite) &&
         std::adjacent_find(top, top + count, std::less_equal<>()) ==
             top + count;
}

distribution made_of(const float* top, const std::int64_t* ids,
                     std::int64_t count, const float* sums) {
  distribution out;
  for (std::uint32_t k = 0; k < lens_top_k; ++k) {
    const bool there = k < count;
    out.top_ids[k] = there ? static_cast<std::uint32_t>(ids[k]) : no_token;
    out.top_logits[k] =
        there ? top[k] : -std::numeric_limits<float>::infinity();
  }
  const double highest = top[0], weight = sums[0];
  out.log_normaliser = highest + std::log(weight);
  out.mean_logit = highest + sums[1] / weight;
  out.mean_difference = sums[2] / weight;
  return out;
}

}  // namespace

at::Tensor device_scores::indices(
    const std::vector<std::int64_t>& values) const {
  return copied_to(logits_.device(), values);
}

at::Tensor device_scores::gather(const std::vector<std::int64_t>& rows) const {
  return logits_.index_select(0, indices(rows));
}

std::vector<distribution> device_scores::summarise(
    std::span<const row_pair> rows) const {
  if (rows.empty()) return {};
  const c10::InferenceMode guard;
  std::vector<std::int64_t> own, references;
  for (const row_pair& pair : rows) {
    own.push_back(pair.row);
    references.push_back(pair.reference);
  }
  const at::Tensor x = gather(own);
  const std::int64_t count =
      std::min<std::int64_t>(lens_top_k + 1, logits_.size(1));
  const auto [values, ids] = x.topk(count);
  const at::Tensor numbers = brought_back(at::cat(
      {values, sums_of(x, values.slice(1, 0, 1), gather(references))}, 1));
  const at::Tensor ids_here = brought_back(ids);
  std::vector<distribution> out;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const float* top = numbers.data_ptr<float>() + i * (count + 3);
    if (is_plain(top, count, top + count)) {
      out.push_back(made_of(top, ids_here.data_ptr<std::int64_t>() + i * count,
                            count, top + count));
      continue;
    }
    const std::uint32_t both[] = {rows[i].row, rows[i].reference};
    const std::vector<float> exact = logits(both);
    const std::size_t vocabulary = exact.size() / 2;
    out.push_back(summarise_row(std::span(exact).first(vocabulary),
                                exact.data() + vocabulary));
  }
  return out;
}

// Sorts before a token: what is higher, and what is equal with a lower id.
std::vector<token_rating> device_scores::rate(
    std::span<const row_token> rows) const {
  if (rows.empty()) return {};
  const c10::InferenceMode guard;
  std::vector<std::int64_t> own, tokens;
  for (const row_token& rated : rows) {
    own.push_back(rated.row);
    tokens.push_back(rated.token);
  }
  const at::Tensor x = gather(own);
  const at::Tensor token = indices(tokens).unsqueeze(1);
  const at::Tensor value = x.gather(1, token);  // [rows][1]
  const at::Tensor ids =
      at::arange(x.size(1), at::TensorOptions(at::kLong).device(x.device()));
  const at::Tensor before =
      x.gt(value).logical_or_(x.eq(value).logical_and_(ids.lt(token)));
  const at::Tensor ranks = brought_back(
      at::where(value.isnan().squeeze(1), x.size(1), before.sum(-1)));
  const at::Tensor log_probabilities =
      brought_back((value.squeeze(1) - x.logsumexp(-1)));
  std::vector<token_rating> out;
  for (std::size_t i = 0; i < rows.size(); ++i)
    out.push_back(
        {static_cast<std::uint32_t>(ranks.data_ptr<std::int64_t>()[i]),
         log_probabilities.data_ptr<float>()[i]});
  return out;
}

std::vector<float> device_scores::logits(
    std::span<const std::uint32_t> rows) const {
  const c10::InferenceMode guard;
  const at::Tensor here = brought_back(gather({rows.begin(), rows.end()}));
  const float* first = here.data_ptr<float>();
  return {first, first + here.numel()};
}

}  // namespace lamina

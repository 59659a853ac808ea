#include "actors/model/logits_loss.hpp"

#include <omp.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "actors/model/checkpoint/weights.hpp"

namespace lamina {
namespace {

// Any text would do; a page more of it would say little more.
constexpr std::string_view text =
    "The ship left the harbour before sunrise. Nobody had told the captain "
    "that 47 of the crates were empty, and when the wind turned he asked for "
    "the list again: iron, salt, two clocks, and a letter without a name.";
constexpr std::size_t tokens_max = 64;

std::vector<token_id> tokens_of(const model_directory& opened) {
  auto tokens = opened.text->encode(text, {.add_bos = true});
  if (!tokens) return {};
  const std::size_t most =
      std::min<std::size_t>(tokens_max, opened.outline.shape.context_length);
  tokens.value().resize(std::min(tokens.value().size(), most));
  return std::move(tokens).value();
}

class nowhere final : public activation_sink {
 public:
  void activations(std::uint32_t, const float*) override {}
  void copied_activations(std::uint32_t, const std::byte*) override {}
  bool wanted() const override { return false; }
};

// [tokens][vocabulary]
std::vector<float> logits_of(const architecture& layers,
                             std::span<const token_id> tokens) {
  const auto count = static_cast<std::uint32_t>(tokens.size());
  kv_cache cache(layers.cache_shape());
  cache.extend(count);
  const step_span all{&cache, 0, count, 0};
  forward_memory memory;
  nowhere sink;
  layers.forward(tokens, {&all, 1}, memory, sink);
  const output_head& head = layers.head();
  std::vector<float> logits(std::size_t{count} * head.vocabulary());
  head.logits(memory.residual, count, logits, omp_get_max_threads());
  return logits;
}

// A constant added to all logits of a row says the same, so means go first.
double relative_error(std::span<const float> of, std::span<const float> to,
                      std::size_t row) {
  double lost = 0, all = 0;
  for (std::size_t first = 0; first < to.size(); first += row) {
    double mean_off = 0, mean = 0;
    for (std::size_t i = first; i < first + row; ++i) {
      mean_off += of[i] - to[i];
      mean += to[i];
    }
    mean_off /= static_cast<double>(row);
    mean /= static_cast<double>(row);
    for (std::size_t i = first; i < first + row; ++i) {
      lost += std::pow(of[i] - to[i] - mean_off, 2);
      all += std::pow(to[i] - mean, 2);
    }
  }
  return all == 0 ? 0 : std::sqrt(lost / all);
}

}  // namespace

std::optional<double> logits_loss(const architecture& layers,
                                  const model_directory& opened,
                                  const model_plan& plan) {
  const auto tokens = tokens_of(opened);
  if (tokens.empty()) return std::nullopt;
  // Nothing is copied for speed alone.
  const weights_options counting{opened.compute, 0, true};
  weights_reader counted(opened.files, counting);
  if (!opened.outline.build(counted)) return std::nullopt;
  const weight_placement& needed = counted.placement();
  if (needed.mapped_bytes + needed.copied_bytes() + plan.copied_bytes() >
      plan.memory_bytes)
    return std::nullopt;
  weights_reader weights(opened.files, {opened.compute, 0});
  const auto stored = opened.outline.build(weights);
  if (!stored) return std::nullopt;
  return relative_error(logits_of(layers, tokens),
                        logits_of(*stored.value(), tokens),
                        layers.head().vocabulary());
}

}  // namespace lamina

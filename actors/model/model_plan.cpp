#include "actors/model/model_plan.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <string>
#include <utility>

#include "actors/model/device/compute_device.hpp"
#include "actors/model/kv_cache.hpp"
#include "actors/model/loading.hpp"
#include "actors/model/machine_memory.hpp"

namespace lamina {
namespace {

std::string megabytes(std::uint64_t bytes) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f MB",
                static_cast<double>(bytes) / (1u << 20));
  return text.data();
}

// Raw bytes that one token's keys and values take.
std::uint64_t bytes_per_token(const kv_shape& kv) {
  return std::uint64_t{2} * kv.layers * kv.heads * kv.head_dim *
         size_of(kv.element);
}

bool is_on_device(const model_plan& p) {
  return p.model.device.kind != device_kind::cpu;
}

// On a device all weights have the type that is computed in. With `torch` that
// is the process's memory.
void place(const weight_placement& placed, model_plan& out) {
  if (is_on_device(out)) {
    out.model.device_bytes = out.model.parameters * size_of(out.model.compute);
    if (out.model.device.kind == device_kind::torch)
      out.model.copied_bytes = out.model.device_bytes;
    return;
  }
  out.mapped_bytes = placed.mapped_bytes;
  out.aligned_bytes = placed.aligned_bytes;
  out.converted_bytes = placed.converted_bytes;
  out.turned_bytes = placed.turned_bytes;
  out.quantised_bytes = placed.quantised_bytes;
  out.model.copied_bytes = placed.copied_bytes();
}

// How much of a context fits beside the copies. Less than a page of the KV
// cache is nothing to run with.
void weigh(model_plan& out) {
  const std::uint64_t context = out.model.context_length;
  const std::uint64_t taken =
      is_on_device(out) ? out.model.device_bytes : out.copied_bytes();
  std::uint64_t left = out.memory_bytes - std::min(out.memory_bytes, taken);
  if (is_on_device(out)) left = kv_share_of(left);
  out.context_tokens = std::min(context, left / out.kv_bytes_per_token);
  out.fits = out.context_tokens >=
             std::min<std::uint64_t>(context, kv_cache::page_positions);
}

}  // namespace

std::uint64_t memory_for(const model_options& options) {
  if (options.device.kind == device_kind::cuda)
    return available_bytes(options.device);
  return options.memory_bytes.value_or(available_memory_bytes());
}

result<model_plan> count_weights(const model_directory& opened,
                                 const model_options& options) {
  model_plan out;
  out.memory_bytes = memory_for(options);
  weights_options counting = opened.reading(out.memory_bytes);
  counting.counting = true;
  weights_reader weights(opened.files, counting);
  auto layers = opened.outline.build(weights);
  if (!layers) return within(opened.path.string(), layers.error());
  out.model = describe(opened, options.name);
  out.model.parameters = weights.parameters();
  place(weights.placement(), out);
  out.kv_bytes_per_token = bytes_per_token(layers.value()->cache_shape());
  const capture_shape rows{out.model.layers, out.model.width,
                           out.model.compute};
  out.captured_bytes_per_token =
      std::uint64_t{rows.slots()} * rows.width * size_of(rows.element);
  weigh(out);
  return out;
}

error does_not_fit(const model_plan& p) {
  if (is_on_device(p))
    return {error_code::out_of_memory,
            std::to_string(p.model.parameters) + " parameters take " +
                megabytes(p.model.device_bytes) + " on device " +
                to_string(p.model.device) + ", a token of KV cache takes " +
                std::to_string(p.kv_bytes_per_token) + " bytes, and " +
                megabytes(p.memory_bytes) + " are to be had there"};
  return {error_code::out_of_memory,
          std::to_string(p.model.parameters) + " parameters in " +
              megabytes(p.model.weight_bytes) + " of files; " +
              megabytes(p.copied_bytes()) +
              " of the weights must be copied into memory (" +
              megabytes(p.converted_bytes) + " converted, " +
              megabytes(p.turned_bytes) + " transposed, " +
              megabytes(p.quantised_bytes) + " as int8, " +
              megabytes(p.aligned_bytes) +
              " aligned), a token of KV cache takes " +
              std::to_string(p.kv_bytes_per_token) + " bytes, and " +
              megabytes(p.memory_bytes) + " are to be had"};
}

result<model_plan> plan_model(const model_options& options) {
  return guarded(options, [&]() -> result<model_plan> {
    BOOST_OUTCOME_TRY(opened, open_model_directory(options));
    return count_weights(opened, options);
  });
}

}  // namespace lamina

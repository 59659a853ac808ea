#include "actors/model/tuned_lens.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "actors/model/checkpoint/checkpoint.hpp"
#include "actors/model/checkpoint/weights.hpp"
#include "actors/model/kernels/linear.hpp"
#include "actors/model/machine_memory.hpp"

namespace lamina {
namespace {

constexpr std::array prefixes = {"", "layer_translators.", "translators."};

struct affine_map {
  matrix weight;            // [width][width]
  std::vector<float> bias;  // [width]
};

class affine_maps final : public lens_maps {
 public:
  affine_maps(std::vector<affine_map> maps,
              std::shared_ptr<const weight_memory> memory)
      : maps_(std::move(maps)), memory_(std::move(memory)) {}

  void apply(std::uint32_t slot, std::span<float> rows, std::uint32_t count,
             int threads) const override {
    if (slot >= maps_.size()) return;  // the last layer's
    const affine_map& map = maps_[slot];
    const thread_limit limit(threads);
    std::vector<float> moved(rows.size());
    linear(rows.data(), count,
           std::array{projection{map.weight, moved.data()}});
    const std::size_t width = map.weight.columns;
    for (std::size_t i = 0; i < rows.size(); ++i)
      rows[i] += moved[i] + map.bias[i % width];
  }

 private:
  std::vector<affine_map> maps_;
  std::shared_ptr<const weight_memory> memory_;  // what the weights point into
};

std::optional<std::string> prefix_of(const tensor_map& tensors) {
  for (const std::string prefix : prefixes)
    if (tensors.contains(prefix + "0.weight")) return prefix;
  return std::nullopt;
}

bool has_biases(const tensor_map& tensors) {
  return std::ranges::any_of(tensors, [](const auto& named) {
    return named.first.ends_with(".bias");
  });
}

result<void> check_names(const tensor_map& tensors,
                         const std::set<std::string>& taken,
                         std::uint32_t layers) {
  for (const auto& [name, view] : tensors)
    if (!taken.contains(name))
      return fail(error_code::corrupt, "tensor '" + name +
                                           "' is no part of a tuned lens for " +
                                           std::to_string(layers) + " layers");
  return success();
}

result<lens_maps_ptr> read_maps(checkpoint files, std::uint32_t layers,
                                std::uint32_t width) {
  const auto prefix = prefix_of(files.tensors);
  if (!prefix)
    return fail(error_code::corrupt,
                "tensor '0.weight' is missing (also as "
                "'layer_translators.0.weight' and 'translators.0.weight')");
  const bool biased = has_biases(files.tensors);
  const std::uint64_t memory = available_memory_bytes();
  weights_reader weights(std::move(files), {dtype::float32, memory});
  std::set<std::string> taken;
  std::vector<affine_map> maps;
  for (std::uint32_t i = 0; i < layers; ++i) {
    const std::string name = *prefix + std::to_string(i);
    affine_map map{{}, std::vector<float>(width)};
    BOOST_OUTCOME_TRY(weight,
                      weights.matrix_of(name + ".weight", width, width));
    map.weight = weight;
    taken.insert(name + ".weight");
    if (biased) {
      BOOST_OUTCOME_TRY(bias, weights.vector(name + ".bias", width));
      map.bias = std::move(bias);
      taken.insert(name + ".bias");
    }
    maps.push_back(std::move(map));
  }
  BOOST_OUTCOME_TRYV(
      check_names(weights.memory()->files.tensors, taken, layers));
  BOOST_OUTCOME_TRYV(weights.memory()->files.check_unchanged());
  return lens_maps_ptr(
      std::make_shared<const affine_maps>(std::move(maps), weights.memory()));
}

}  // namespace

result<lens_maps_ptr> open_tuned_lens(const std::filesystem::path& file,
                                      std::uint32_t layers,
                                      std::uint32_t width) {
  BOOST_OUTCOME_TRY(files, open_weight_file(file));
  auto maps = read_maps(std::move(files), layers, width);
  if (!maps) return within(file.string(), maps.error());
  return maps;
}

}  // namespace lamina

#include "actors/meter.hpp"

#include <caf/all.hpp>
#include <exception>
#include <vector>

#include "actors/lens/distribution.hpp"
#include "actors/messages/meter.hpp"

namespace lamina {
namespace {

/// The ten likeliest tokens after the model's own head.
top_tokens lens_of(const model_ptr& model) {
  if (!model) return {};
  return [model, logits = std::vector<float>(model->head().vocabulary())](
             std::span<const float> row) mutable {
    model->head().logits(row, 1, logits, 1);
    const auto found = summarise_row(logits, logits.data());
    return std::vector<std::uint32_t>(std::begin(found.top_ids),
                                      std::end(found.top_ids));
  };
}

codec_measured measure(const measure_codec& m) try {
  return measure_rates(*m.sample, m.kept, m.book.get(), lens_of(m.model));
} catch (const std::exception& e) {
  return fail(error_code::internal,
              std::string("the measurement failed: ") + e.what());
}

}  // namespace

meter_actor::behavior_type meter(meter_state::pointer) {
  return {[](const measure_codec& m) { return measure(m); }};
}

}  // namespace lamina

#include "actors/model/model.hpp"

#include <utility>

#include "actors/model/checkpoint/fingerprint.hpp"
#include "actors/model/checkpoint/weights.hpp"
#include "actors/model/loaded_model.hpp"
#include "actors/model/loading.hpp"
#include "actors/model/logits_loss.hpp"

namespace lamina {
namespace {

result<model_ptr> load_weights(model_directory opened,
                               const model_options& options) {
  BOOST_OUTCOME_TRY(plan, count_weights(opened, options));
  if (!plan.fits) return within(opened.path.string(), does_not_fit(plan));
  model_description d = plan.model;
  BOOST_OUTCOME_TRY(hashed,
                    kept_fingerprint(options.fingerprints, opened.config_text,
                                     opened.files, options.stop));
  d.fingerprint = hashed;
  weights_reader weights(opened.files, opened.reading(plan.memory_bytes));
  auto layers = opened.outline.build(weights);
  if (!layers) return within(opened.path.string(), layers.error());
  if (opened.weights != weight_format::stored)
    d.loss = {weights.quantised().relative(),
              logits_loss(*layers.value(), opened, plan)};
  BOOST_OUTCOME_TRYV(weights.memory()->files.check_unchanged());
  return model_ptr(std::make_shared<loaded_model>(
      std::move(d), std::move(opened.text), std::move(layers).value(),
      opened.outline.positions, std::move(opened.end_tokens)));
}

}  // namespace

result<model_ptr> model::load(const model_options& options) {
  return guarded(options, [&]() -> result<model_ptr> {
    BOOST_OUTCOME_TRY(opened, open_model_directory(options));
    return load_weights(std::move(opened), options);
  });
}

}  // namespace lamina

// The one implementation of `model`: what `model::load` makes and the engine
// reads. Internal to actors/model.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "actors/model/arch/architecture.hpp"
#include "actors/model/model.hpp"

namespace lamina {

class loaded_model final : public model {
 public:
  loaded_model(model_description description, tokenizer_ptr text,
               std::unique_ptr<const architecture> layers, std::string rope,
               std::vector<token_id> end_tokens)
      : description_(std::move(description)),
        text_(std::move(text)),
        layers_(std::move(layers)),
        rope_(std::move(rope)),
        end_tokens_(std::move(end_tokens)) {}

  const model_description& description() const override { return description_; }
  const tokenizer& text() const override { return *text_; }
  const output_head& head() const override { return layers_->head(); }
  std::vector<token_id> end_tokens() const override { return end_tokens_; }

  provenance origin() const override {
    provenance p;
    p.model_fingerprint = description_.fingerprint;
    p.compute_dtype = description_.compute;
    p.kv_dtype = layers_->cache_shape().element;
    p.rope = rope_;
    if (description_.weights != weight_format::stored)
      p.weights = to_string(description_.weights);
    if (description_.device.kind != device_kind::cpu)
      p.device = kind_name(description_.device.kind);
    return p;
  }

  const architecture& layers() const { return *layers_; }

 private:
  model_description description_;
  tokenizer_ptr text_;
  std::unique_ptr<const architecture> layers_;
  std::string rope_;
  std::vector<token_id> end_tokens_;
};

}  // namespace lamina

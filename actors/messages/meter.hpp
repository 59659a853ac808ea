// Messages of a meter.
#pragma once

#include <memory>

#include "actors/codec/book_shelf.hpp"
#include "actors/codec/quality.hpp"
#include "actors/measure/codec_rates.hpp"
#include "actors/messages/message.hpp"
#include "actors/model/model.hpp"
#include "protocol/error.hpp"

namespace lamina {

/// What the codec does to rows, for `bench codec`.
struct measure_codec {
  std::shared_ptr<const codec_sample> sample;
  quality kept = quality::lossless;
  codebook_ptr book = nullptr;
  model_ptr model = nullptr;  // whose lens must agree; null: not asked
};

using codec_measured = result<codec_rates>;

}  // namespace lamina

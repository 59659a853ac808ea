// What is measured of the codec is what it does.
#include "actors/measure/codec_rates.hpp"

#include <gtest/gtest.h>

#include "tests/unit/codec/sample_chunk.hpp"

namespace lamina {
namespace {

constexpr capture_shape shape{9, 96, dtype::bfloat16};

codec_sample sample() {
  return {
      {{walk_chunk(shape), 0, chunk_positions}, {sample_chunk(shape), 0, 5}}};
}

codec_rates measured(quality kept, const top_tokens& lens = {}) {
  return measure_rates(sample(), kept, nullptr, lens).value();
}

TEST(CodecRates, ExactRowsHaveNoError) {
  const auto r = measured(quality::lossless);
  EXPECT_EQ(r.positions, 21u);
  EXPECT_EQ(r.error_worst, 0);
  EXPECT_EQ(r.largest_mean, 0);
  EXPECT_LT(r.top1, 0) << "no lens was asked";
}

TEST(CodecRates, ErrorsKeepTheBoundsAndBitsFallWithQuality) {
  double above = measured(quality::lossless).value_bits;
  for (const quality kept :
       {quality::high, quality::balanced, quality::small}) {
    const auto r = measured(kept);
    EXPECT_GT(r.error_mean, 0);
    EXPECT_LE(r.error_mean, r.error_worst);
    EXPECT_LE(r.error_p99, r.error_worst);
    EXPECT_LE(r.error_worst, bounds_of(kept).row);
    EXPECT_LE(r.ordinary_mean, bounds_of(kept).ordinary);
    EXPECT_LT(r.value_bits, above);
    above = r.value_bits;
  }
}

TEST(CodecRates, BitsCountWhatIsStored) {
  const auto given = sample();
  double bytes = 0, pages = 0;
  for (const auto& rows : given.chunks)
    for (const auto& key : value_keys({}, site::resid_post, shape)) {
      const auto size =
          encode(key, *rows.chunk, rows.end, quality::balanced).bytes.size();
      bytes += static_cast<double>(size);
      pages += static_cast<double>((size + 20 + 4095) / 4096 * 4096);
    }
  const double numbers = 21.0 * shape.layers * shape.width;
  const auto r = measured(quality::balanced);
  EXPECT_DOUBLE_EQ(r.value_bits, 8 * bytes / numbers);
  EXPECT_DOUBLE_EQ(r.disk_bits, 8 * pages / numbers);
  EXPECT_LT(r.payload_bits, r.value_bits);
  EXPECT_GT(r.payload_bits, r.value_bits / 2);
}

TEST(CodecRates, TheLensIsAskedOfExactAndDecodedRows) {
  // The sign of the first number is the likeliest token, always with token 7.
  const top_tokens sign = [](std::span<const float> row) {
    return std::vector<std::uint32_t>{row[0] < 0 ? 1u : 0u, 7u};
  };
  EXPECT_EQ(measured(quality::lossless, sign).top1, 1);
  const auto r = measured(quality::small, sign);
  EXPECT_GT(r.top1, 0.5);
  EXPECT_LE(r.top1, 1);
  EXPECT_DOUBLE_EQ(r.top10, (r.top1 + 1) / 2);
}

TEST(CodecRates, ABookIsUsedByLossyQualitiesOnly) {
  codebook_learner learner(shape);
  learner.add(sample().chunks[0]);
  const codebook book = learner.finish();
  const auto with = [&](quality kept) {
    return measure_rates(sample(), kept, &book, {}).value().value_bits;
  };
  EXPECT_NE(with(quality::balanced), measured(quality::balanced).value_bits);
  EXPECT_EQ(with(quality::lossless), measured(quality::lossless).value_bits);
}

}  // namespace
}  // namespace lamina

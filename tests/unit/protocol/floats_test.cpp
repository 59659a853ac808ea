#include "protocol/floats.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace lamina {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

TEST(Floats, Bfloat16IsTheUpperHalf) {
  EXPECT_EQ(float_of_bfloat16(0x3f80), 1.0f);
  EXPECT_EQ(float_of_bfloat16(0xc049), -3.140625f);
  EXPECT_EQ(float_of_bfloat16(0x0001), 0x1p-133f);
  EXPECT_EQ(float_of_bfloat16(0xff80), -infinity);
  EXPECT_TRUE(std::isnan(float_of_bfloat16(0x7fc0)));
}

TEST(Floats, Float16IsBinary16) {
  EXPECT_EQ(float_of_float16(0x3c00), 1.0f);
  EXPECT_EQ(float_of_float16(0xc248), -3.140625f);
  EXPECT_EQ(float_of_float16(0x0001), 0x1p-24f);
  EXPECT_EQ(float_of_float16(0x03ff), 1023 * 0x1p-24f);
  EXPECT_EQ(float_of_float16(0x7bff), 65504.0f);
  EXPECT_EQ(float_of_float16(0xfc00), -infinity);
  EXPECT_TRUE(std::signbit(float_of_float16(0x8000)));
  EXPECT_TRUE(std::isnan(float_of_float16(0x7e00)));
}

TEST(Floats, WhatSixteenBitsHoldComesBackExactly) {
  for (std::uint32_t i = 0; i < 0x10000; ++i) {
    const auto bits = static_cast<std::uint16_t>(i);
    EXPECT_EQ(bfloat16_of(float_of_bfloat16(bits)), bits);
    EXPECT_EQ(float16_of(float_of_float16(bits)), bits);
  }
}

// The numbers between two neighbours: nearest, and of the middle the even one.
TEST(Floats, RoundToNearestTiesToEven) {
  for (std::uint32_t i = 0; i < 0x7bff; ++i) {
    const auto low = static_cast<std::uint16_t>(i);
    const auto high = static_cast<std::uint16_t>(i + 1);
    const auto even = i % 2 == 0 ? low : high;
    const float half = (float_of_float16(low) + float_of_float16(high)) / 2;
    EXPECT_EQ(float16_of(half), even);
    EXPECT_EQ(float16_of(std::nextafter(half, 0.0f)), low);
    EXPECT_EQ(float16_of(-std::nextafter(half, infinity)), high | 0x8000);
    const std::uint32_t middle = (i << 16) + 0x8000;
    EXPECT_EQ(bfloat16_of(std::bit_cast<float>(middle)), even);
    EXPECT_EQ(bfloat16_of(std::bit_cast<float>(middle - 1)), low);
    EXPECT_EQ(bfloat16_of(-std::bit_cast<float>(middle + 1)), high | 0x8000);
  }
}

TEST(Floats, WhatIsTooLargeOrNoNumber) {
  EXPECT_EQ(bfloat16_of(std::numeric_limits<float>::max()), 0x7f80);
  EXPECT_EQ(bfloat16_of(-infinity), 0xff80);
  EXPECT_EQ(float16_of(1e10f), 0x7bff);
  EXPECT_EQ(float16_of(-65520.0f), 0xfbff);
  EXPECT_EQ(float16_of(infinity), 0x7c00);
  for (const std::uint32_t bits : {0x7f800001u, 0xffffffffu, 0x7fc00000u}) {
    const float nan = std::bit_cast<float>(bits);
    EXPECT_TRUE(std::isnan(float_of_bfloat16(bfloat16_of(nan))));
    EXPECT_TRUE(std::isnan(float_of_float16(float16_of(nan))));
  }
}

}  // namespace
}  // namespace lamina

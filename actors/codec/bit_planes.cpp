#include "actors/codec/bit_planes.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "actors/codec/bit_planes.cpp"
#include <hwy/foreach_target.h>
// Highway wants its loop over targets before anything it compiles.
#include <hwy/highway.h>

#include <algorithm>
#include <cstring>

HWY_BEFORE_NAMESPACE();
namespace lamina::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

void pack_plane_row(const std::uint8_t* low, std::size_t count,
                    std::uint32_t bits, std::byte* planes) {
  const hn::ScalableTag<std::uint8_t> d;
  const std::size_t step = hn::Lanes(d);
  const std::size_t stride = plane_bytes(count);
  std::size_t i = 0;
  for (; step >= 8 && i + step <= count; i += step) {
    const auto v = hn::LoadU(d, low + i);
    for (std::uint32_t b = 0; b < bits; ++b) {
      std::uint8_t mask[64];
      hn::StoreMaskBits(
          d, hn::TestBit(v, hn::Set(d, static_cast<std::uint8_t>(1u << b))),
          mask);
      std::memcpy(planes + b * stride + i / 8, mask, step / 8);
    }
  }
  for (; i < count; i += 8)
    for (std::uint32_t b = 0; b < bits; ++b) {
      unsigned byte = 0;
      for (std::size_t j = i; j < std::min(count, i + 8); ++j)
        byte |= (low[j] >> b & 1u) << (j - i);
      planes[b * stride + i / 8] = static_cast<std::byte>(byte);
    }
}

void unpack_plane_row(const std::byte* planes, std::size_t count,
                      std::uint32_t bits, std::uint8_t* low) {
  const hn::ScalableTag<std::uint8_t> d;
  const std::size_t step = hn::Lanes(d);
  const std::size_t stride = plane_bytes(count);
  const auto* from = reinterpret_cast<const std::uint8_t*>(planes);
  std::size_t i = 0;
  for (; step >= 8 && i + step <= count; i += step) {
    auto v = hn::Zero(d);
    for (std::uint32_t b = 0; b < bits; ++b)
      v = hn::Or(v, hn::IfThenElseZero(
                        hn::LoadMaskBits(d, from + b * stride + i / 8),
                        hn::Set(d, static_cast<std::uint8_t>(1u << b))));
    hn::StoreU(v, d, low + i);
  }
  for (; i < count; ++i) {
    unsigned v = 0;
    for (std::uint32_t b = 0; b < bits; ++b)
      v |= (from[b * stride + i / 8] >> i % 8 & 1u) << b;
    low[i] = static_cast<std::uint8_t>(v);
  }
}

}  // namespace lamina::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

namespace lamina {
namespace {

HWY_EXPORT(pack_plane_row);
HWY_EXPORT(unpack_plane_row);

}  // namespace

void pack_planes(std::span<const std::uint8_t> low, std::uint32_t bits,
                 std::byte* planes) {
  HWY_DYNAMIC_DISPATCH(pack_plane_row)(low.data(), low.size(), bits, planes);
}

void unpack_planes(const std::byte* planes, std::uint32_t bits,
                   std::span<std::uint8_t> low) {
  HWY_DYNAMIC_DISPATCH(unpack_plane_row)(planes, low.size(), bits, low.data());
}

}  // namespace lamina
#endif  // HWY_ONCE

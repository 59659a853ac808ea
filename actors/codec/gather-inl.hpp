// Table look-ups of many lanes, for files that Highway compiles once for each
// target. Include after <hwy/highway.h>.
#if defined(LAMINA_CODEC_GATHER_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_CODEC_GATHER_INL
#undef LAMINA_CODEC_GATHER_INL
#else
#define LAMINA_CODEC_GATHER_INL
#endif

#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace lamina::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// table[index] of each lane.
///
/// A gather keeps what its mask leaves out, so a processor waits for what its
/// destination held. A compiler that sees that nothing is left out puts there
/// whatever is at hand, such as the lanes before, and all go one after the
/// other, at half the speed. Hence it must not see it.
template <class D>
HWY_INLINE hn::Vec<D> look_up(D d, const std::uint32_t* table,
                              hn::Vec<hn::RebindToSigned<D>> index) {
#if HWY_TARGET <= HWY_AVX2 && HWY_ARCH_X86
  const auto* from = reinterpret_cast<const int*>(table);
  if constexpr (hn::MaxLanes(d) == 8) {
    __m256i all = _mm256_set1_epi32(-1);
    asm("" : "+x"(all));
    return hn::Vec<D>{_mm256_mask_i32gather_epi32(
        _mm256_setzero_si256(), from, index.raw, all, sizeof *table)};
  }
#endif
#if HWY_TARGET <= HWY_AVX3 && HWY_ARCH_X86
  if constexpr (hn::MaxLanes(d) == 16) {
    __mmask16 all = 0xffff;
    asm("" : "+Yk"(all));
    return hn::Vec<D>{_mm512_mask_i32gather_epi32(
        _mm512_setzero_si512(), all, index.raw, from, sizeof *table)};
  }
#endif
  return hn::GatherIndex(d, table, index);
}

}  // namespace lamina::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // LAMINA_CODEC_GATHER_INL

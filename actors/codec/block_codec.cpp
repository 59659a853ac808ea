#include "actors/codec/block_codec.hpp"

#include <zstd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cstring>
#include <memory>
#include <new>

namespace lamina {
namespace {

struct zstd_delete {
  void operator()(ZSTD_CCtx* c) const { ZSTD_freeCCtx(c); }
  void operator()(ZSTD_DCtx* c) const { ZSTD_freeDCtx(c); }
};

// Planes repeat single bytes, not strings of them: what helps is zstd's
// Huffman coder, and a search for long matches only keeps it quick.
// tests/bench/codec_bench has the measurements.
ZSTD_CCtx* new_compressor() {
  ZSTD_CCtx* context = ZSTD_createCCtx();
  if (context == nullptr) throw std::bad_alloc();
  ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, 1);
  ZSTD_CCtx_setParameter(context, ZSTD_c_minMatch, 7);
  ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0);
  return context;
}

ZSTD_DCtx* new_decompressor() {
  ZSTD_DCtx* context = ZSTD_createDCtx();
  if (context == nullptr) throw std::bad_alloc();
  return context;
}

// What a thread keeps between blocks, so that none allocates.
struct workspace {
  std::unique_ptr<ZSTD_CCtx, zstd_delete> compressor;
  std::unique_ptr<ZSTD_DCtx, zstd_delete> decompressor;
  std::vector<std::byte> planes;
  std::vector<std::byte> compressed;
};

workspace& this_thread() {
  thread_local workspace w;
  return w;
}

// The word of an element, with its sign rotated from the top to the bottom.
template <class Word>
Word load_rotated(const std::byte* at) {
  Word word;
  std::memcpy(&word, at, sizeof word);
  return std::rotl(word, 1);
}

// planes: [byte of the element, most significant first][element]
template <class Word>
void split(std::span<const std::byte> rows, std::byte* planes) {
  const std::size_t count = rows.size() / sizeof(Word);
  for (std::size_t i = 0; i < count; ++i) {
    const Word word = load_rotated<Word>(rows.data() + i * sizeof(Word));
    for (std::size_t p = 0; p < sizeof(Word); ++p)
      planes[p * count + i] =
          static_cast<std::byte>(word >> (8 * (sizeof(Word) - 1 - p)));
  }
}

template <class Word>
void join(const std::byte* const* planes, std::span<std::byte> out) {
  const std::size_t count = out.size() / sizeof(Word);
  for (std::size_t i = 0; i < count; ++i) {
    Word word = 0;
    for (std::size_t p = 0; p < sizeof(Word); ++p)
      word = static_cast<Word>(word << 8 | static_cast<Word>(planes[p][i]));
    word = std::rotr(word, 1);
    std::memcpy(out.data() + i * sizeof(Word), &word, sizeof word);
  }
}

void append_number(std::vector<std::byte>& out, std::size_t at,
                   std::uint32_t number) {
  std::memcpy(out.data() + at, &number, sizeof number);
}

// Appends one plane, compressed where that shrinks it; its length in bytes.
std::uint32_t append_plane(std::span<const std::byte> plane, workspace& w,
                           std::vector<std::byte>& out) {
  w.compressed.resize(ZSTD_compressBound(plane.size()));
  const std::size_t bytes =
      ZSTD_compress2(w.compressor.get(), w.compressed.data(),
                     w.compressed.size(), plane.data(), plane.size());
  const bool shrank = ZSTD_isError(bytes) == 0 && bytes < plane.size();
  const auto kept =
      shrank ? std::span<const std::byte>(w.compressed).first(bytes) : plane;
  out.insert(out.end(), kept.begin(), kept.end());
  return static_cast<std::uint32_t>(kept.size());
}

result<void> corrupt(const char* what) {
  return fail(error_code::corrupt, std::string("block: ") + what);
}

// Makes `planes[p]` point at the wanted elements of each plane.
result<void> open_planes(std::span<const std::byte> block, std::size_t size,
                         const element_range& range, workspace& w,
                         std::array<const std::byte*, 4>& planes) {
  if (block.size() < size * sizeof(std::uint32_t))
    return corrupt("shorter than its plane lengths");
  auto rest = block.subspan(size * sizeof(std::uint32_t));
  w.planes.resize(size * range.count);
  for (std::size_t p = 0; p < size; ++p) {
    std::uint32_t bytes;
    std::memcpy(&bytes, block.data() + p * sizeof bytes, sizeof bytes);
    if (bytes > rest.size() || bytes > range.count)
      return corrupt("a plane's length does not fit");
    const auto plane = rest.first(bytes);
    rest = rest.subspan(bytes);
    planes[p] = plane.data() + range.begin;
    if (bytes == range.count) continue;
    std::byte* whole = w.planes.data() + p * range.count;
    if (ZSTD_decompressDCtx(w.decompressor.get(), whole, range.count,
                            plane.data(), bytes) != range.count)
      return corrupt("zstd cannot decompress a plane");
    planes[p] = whole + range.begin;
  }
  return rest.empty() ? result<void>(success())
                      : corrupt("bytes left over after its planes");
}

}  // namespace

void append_block(std::span<const std::byte> rows, dtype element, bool shrink,
                  std::vector<std::byte>& out) {
  const std::size_t start = out.size();
  if (shrink) {
    workspace& w = this_thread();
    if (!w.compressor) w.compressor.reset(new_compressor());
    const std::size_t size = size_of(element);
    const std::size_t count = rows.size() / size;
    w.planes.resize(rows.size());
    if (size == 2)
      split<std::uint16_t>(rows, w.planes.data());
    else
      split<std::uint32_t>(rows, w.planes.data());
    out.push_back(static_cast<std::byte>(block_coding::planes));
    out.resize(out.size() + size * sizeof(std::uint32_t));
    for (std::size_t p = 0; p < size; ++p)
      append_number(out, start + 1 + p * sizeof(std::uint32_t),
                    append_plane(std::span<const std::byte>(w.planes).subspan(
                                     p * count, count),
                                 w, out));
    if (out.size() - start <= rows.size()) return;
    out.resize(start);
  }
  out.push_back(static_cast<std::byte>(block_coding::raw));
  out.insert(out.end(), rows.begin(), rows.end());
}

result<void> decode_block(std::span<const std::byte> block, dtype element,
                          const element_range& range,
                          std::span<std::byte> out) {
  const std::size_t size = size_of(element);
  assert(range.begin <= range.end && range.end <= range.count);
  assert(out.size() == (range.end - range.begin) * size);
  if (block.empty()) return corrupt("empty");
  const auto coding = static_cast<block_coding>(block[0]);
  const auto body = block.subspan(1);
  if (coding == block_coding::raw) {
    if (body.size() != range.count * size)
      return corrupt("raw rows of the wrong length");
    std::ranges::copy(body.subspan(range.begin * size, out.size()),
                      out.begin());
    return success();
  }
  if (coding != block_coding::planes) return corrupt("unknown coding");

  workspace& w = this_thread();
  if (!w.decompressor) w.decompressor.reset(new_decompressor());
  std::array<const std::byte*, 4> planes{};
  BOOST_OUTCOME_TRYV(open_planes(body, size, range, w, planes));
  if (size == 2)
    join<std::uint16_t>(planes.data(), out);
  else
    join<std::uint32_t>(planes.data(), out);
  return success();
}

}  // namespace lamina

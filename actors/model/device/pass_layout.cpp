#include "actors/model/device/pass_layout.hpp"

#include <ATen/ops/arange.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>

#include "actors/model/device/torch_device.hpp"

namespace lamina {
namespace {

constexpr std::uint32_t page_positions = kv_cache::page_positions;

// Rows of a prefill that attend together: bounds what scores take.
constexpr std::uint32_t stretch_rows_max = 128;

// Consecutive rows of one sequence.
struct stretch {
  const kv_cache* cache;
  position_t first;
  std::uint32_t count;
  std::uint32_t first_row;

  // Up to its last row.
  std::uint32_t pages() const {
    return (first + count - 1) / page_positions + 1;
  }
};

// Stretches that attend together. Those of single rows are sorted by pages in
// powers of two: the shortest of a group gathers as many as the longest.
std::vector<std::vector<stretch>> group_up(std::span<const step_span> spans) {
  std::map<std::uint32_t, std::vector<stretch>> single;
  std::vector<std::vector<stretch>> groups;
  for (const step_span& s : spans) {
    if (s.count == 1) {
      const stretch one{s.cache, s.first, 1, s.first_row};
      single[std::bit_ceil(one.pages())].push_back(one);
      continue;
    }
    for (std::uint32_t i = 0; i < s.count; i += stretch_rows_max)
      groups.push_back(
          {{s.cache, s.first + i, std::min(stretch_rows_max, s.count - i),
            s.first_row + i}});
  }
  for (auto& [pages, members] : single)
    groups.push_back(std::move(members));
  return groups;
}

class layout_builder {
 public:
  layout_builder(const page_pool& pool, std::uint32_t heads,
                 std::uint32_t kv_heads, c10::Device device)
      : pool_(pool),
        share_(heads / kv_heads),
        kv_heads_(kv_heads),
        device_(device) {}

  at::Tensor key_rows(std::span<const step_span> spans) const {
    std::vector<std::int64_t> rows;
    for (const step_span& s : spans)
      for (std::uint32_t p = s.first; p < s.first + s.count; ++p)
        for (std::uint32_t h = 0; h < kv_heads_; ++h)
          rows.push_back(block(s.cache, p / page_positions, h) *
                             page_positions +
                         p % page_positions);
    return copied_to(device_, rows);
  }

  attention_group group(std::span<const stretch> members) const {
    attention_group out;
    out.sequences = static_cast<std::int64_t>(members.size());
    out.rows_each = members.front().count;
    std::uint32_t pages = 0;
    for (const stretch& s : members)
      pages = std::max(pages, s.pages());
    std::vector<std::int64_t> rows, blocks, last;
    for (const stretch& s : members) {
      for (std::uint32_t i = 0; i < s.count; ++i) {
        rows.push_back(s.first_row + i);
        last.push_back(s.first + i);
      }
      for (std::uint32_t h = 0; h < kv_heads_; ++h)
        for (std::uint32_t p = 0; p < pages; ++p)
          blocks.push_back(block(s.cache, p < s.pages() ? p : none, h));
    }
    out.rows = copied_to(device_, rows);
    out.blocks = copied_to(device_, blocks);
    out.visible = visible(last, out, pages * page_positions);
    return out;
  }

 private:
  static constexpr std::uint32_t none = 0xffffffff;

  std::int64_t block(const kv_cache* cache, std::uint32_t page,
                     std::uint32_t head) const {
    const std::int64_t index = page == none ? page_pool::empty_page
                                            : pool_.index_of(cache->page(page));
    return index * pool_.blocks_per_page() + head;
  }

  // `last`: of each row, the position that it looks at last: its own.
  at::Tensor visible(const std::vector<std::int64_t>& last,
                     const attention_group& group,
                     std::int64_t positions) const {
    const at::Tensor up_to = copied_to(device_, last)
                                 .view({group.sequences, 1, group.rows_each, 1})
                                 .repeat({1, 1, share_, 1});
    return at::arange(positions, at::TensorOptions(at::kLong).device(device_))
        .le(up_to);
  }

  const page_pool& pool_;
  std::int64_t share_;  // query heads of one head of keys
  std::uint32_t kv_heads_;
  c10::Device device_;
};

// Angles as the CPU's path has them: [n][1][frequencies].
void rotation(std::span<const step_span> spans,
              std::span<const float> frequencies, c10::Device device,
              pass_layout& out) {
  if (frequencies.empty()) return;
  std::vector<float> cosines, sines;
  for (const step_span& s : spans)
    for (std::uint32_t p = s.first; p < s.first + s.count; ++p)
      for (const float frequency : frequencies) {
        const float angle = static_cast<float>(p) * frequency;
        cosines.push_back(std::cos(angle));
        sines.push_back(std::sin(angle));
      }
  const auto half = static_cast<std::int64_t>(frequencies.size());
  out.cosines = copied_to(device, cosines).view({-1, 1, half});
  out.sines = copied_to(device, sines).view({-1, 1, half});
}

}  // namespace

pass_layout lay_out(std::span<const token_id> tokens,
                    std::span<const step_span> spans, const page_pool& pool,
                    std::uint32_t heads, std::span<const float> frequencies,
                    c10::Device device) {
  pass_layout out;
  std::vector<std::int64_t> positions;
  for (const step_span& s : spans)
    for (std::uint32_t i = 0; i < s.count; ++i)
      positions.push_back(s.first + i);
  out.tokens = copied_to(
      device, std::vector<std::int64_t>(tokens.begin(), tokens.end()));
  out.positions = copied_to(device, positions);
  rotation(spans, frequencies, device, out);
  const layout_builder builder(pool, heads, spans.front().cache->shape().heads,
                               device);
  out.key_rows = builder.key_rows(spans);
  for (const auto& members : group_up(spans))
    out.groups.push_back(builder.group(members));
  return out;
}

}  // namespace lamina

#include "actors/store/footprint.hpp"

#include <algorithm>
#include <cmath>

#include "actors/chunks/lens_record.hpp"
#include "actors/chunks/stored_value.hpp"

namespace lamina {
namespace {

constexpr double page_header_bytes = 16;
constexpr double node_bytes = 8 + 2;  // its header, and its place in the page
constexpr double filled_in_order = 0.95;
constexpr double filled_at_random = 0.69;
constexpr double seal_bytes = 8;

// Pages that records of one database take.
class pages_of_table {
 public:
  pages_of_table(double page_bytes, double key_bytes, double filled)
      : page_(page_bytes), key_(key_bytes), filled_(filled) {}

  void add(double count, double record_bytes) {
    if (count == 0) return;
    const double node_max = (page_ - page_header_bytes) / 2 - 2;
    const bool large = 8 + key_ + record_bytes > node_max;
    if (large)
      large_pages_ +=
          count * std::ceil((page_header_bytes + record_bytes) / page_);
    leaf_bytes_ += count * (node_bytes + key_ + (large ? 8 : record_bytes));
    // Few large nodes fit a page: what is left over is lost.
    if (!large) largest_ = std::max(largest_, node_bytes + key_ + record_bytes);
  }
  double total() const {
    const double room = page_ - page_header_bytes;
    const double per_page = std::max(1.0, room - largest_ / 2) * filled_;
    const double leaves = std::ceil(leaf_bytes_ / per_page);
    const double branches =
        leaves * (node_bytes + key_) / (room * filled_at_random);
    return large_pages_ + leaves + (leaves > 1 ? std::ceil(branches) : 0);
  }

 private:
  double page_, key_, filled_;
  double large_pages_ = 0, leaf_bytes_ = 0, largest_ = 0;
};

struct chunk_counts {
  double full = 0;
  double rows_of_tail = 0;
  double all() const { return full + (rows_of_tail > 0 ? 1 : 0); }
};

// The values of one site: as many layers in each as fit.
void add_site(const capture_plan& plan, const chunk_counts& chunks,
              std::uint32_t layers, pages_of_table& table, footprint& f) {
  const std::uint32_t group = std::min(layers, layers_per_value(plan.shape));
  for (std::uint32_t first = 0; first < layers; first += group) {
    const auto held = static_cast<double>(std::min(group, layers - first));
    const double row = held * static_cast<double>(plan.shape.row_bytes());
    const auto add = [&](double count, double rows) {
      const double bytes = std::round(rows * row * plan.value_ratio);
      f.raw_bytes += static_cast<std::uint64_t>(count * rows * row);
      f.value_bytes += static_cast<std::uint64_t>(count * bytes);
      table.add(count, bytes + sizeof(std::uint32_t));
    };
    add(chunks.full, chunk_positions);
    add(chunks.rows_of_tail > 0 ? 1 : 0, chunks.rows_of_tail);
  }
}

}  // namespace

footprint plan_footprint(const capture_plan& plan) {
  const chunk_counts chunks{static_cast<double>(plan.tokens / chunk_positions),
                            static_cast<double>(plan.tokens % chunk_positions)};
  const double page = plan.page_bytes;
  const auto tokens = static_cast<double>(plan.tokens);
  footprint f;
  pages_of_table values(page, 19, filled_at_random);
  if (plan.embed) add_site(plan, chunks, 1, values, f);
  if (plan.resid_post) add_site(plan, chunks, plan.shape.layers, values, f);
  if (plan.final_norm) add_site(plan, chunks, 1, values, f);

  pages_of_table lens(page, 16, filled_at_random);
  if (plan.lens) {
    const double row = sizeof(lens_record) * (plan.shape.layers + 1.0);
    const double head = seal_bytes + 24;
    f.lens_bytes =
        static_cast<std::uint64_t>(tokens * row + chunks.all() * head);
    lens.add(chunks.full, head + chunk_positions * row);
    lens.add(chunks.rows_of_tail > 0 ? 1 : 0, head + chunks.rows_of_tail * row);
  }

  // A chunk's record: 24 bytes and, for each token, 11 and its text.
  const double token = 11 + plan.text_bytes_per_token;
  const double head = seal_bytes + 24;
  pages_of_table records(page, 12, filled_in_order);
  records.add(chunks.all(), head + chunk_positions * token);
  pages_of_table names(page, 16, filled_at_random);
  names.add(chunks.all(), 24);
  pages_of_table referrers(page, 28, filled_at_random);
  referrers.add(chunks.all(), 0);
  f.record_bytes = static_cast<std::uint64_t>(
      chunks.all() * (12 + head + 16 + 24 + 28) + tokens * token);
  const double pages = values.total() + lens.total() + records.total() +
                       names.total() + referrers.total();
  f.disk_bytes = static_cast<std::uint64_t>(pages * page);
  return f;
}

}  // namespace lamina

#include "client/cpp/activation_array.hpp"

#include <algorithm>
#include <utility>

namespace lamina {
namespace {

auto contradiction(std::string sentence) {
  return fail(error_code::malformed_frame, "activations: " + sentence);
}

bool is_known(site s) {
  return to_string(s) != "unknown";
}
bool is_known(dtype t) {
  return to_string(t) != "unknown";
}

// What the part says of itself must make sense before it is compared.
result<void> check_part(const wire::ActivationsT& part,
                        std::span<const std::byte> payload) {
  if (part.position_end <= part.position_begin || part.width == 0 ||
      part.slots.empty())
    return contradiction("a part without positions, slots or width");
  if (!is_known(static_cast<dtype>(part.dtype)))
    return contradiction("unknown element type " + std::to_string(part.dtype));
  for (const auto& slot : part.slots)
    if (!is_known(static_cast<site>(slot->site)))
      return contradiction("unknown site " + std::to_string(slot->site));
  // 32-bit factors: the first two products cannot overflow, the division
  // keeps the rest from it.
  const std::uint64_t rows = std::uint64_t{part.slots.size()} *
                             (part.position_end - part.position_begin);
  const std::uint64_t row_bytes =
      std::uint64_t{part.width} * size_of(static_cast<dtype>(part.dtype));
  if (payload.size() % row_bytes != 0 || payload.size() / row_bytes != rows)
    return contradiction("a payload of " + std::to_string(payload.size()) +
                         " bytes where " + std::to_string(rows) + " rows of " +
                         std::to_string(row_bytes) + " bytes were announced");
  return success();
}

}  // namespace

std::string name_of(const activation_array::slot& slot) {
  std::string name(to_string(slot.site));
  if (is_per_layer(slot.site))
    name.append(".").append(std::to_string(slot.layer));
  return name;
}

std::size_t activation_assembler::index_of(const activation_array::slot& slot) {
  auto& slots = whole_.slots;
  const auto found = std::find(slots.begin(), slots.end(), slot);
  if (found != slots.end())
    return static_cast<std::size_t>(found - slots.begin());
  slots.push_back(slot);
  return slots.size() - 1;
}

result<void> activation_assembler::add(const wire::ActivationsT& part,
                                       std::span<const std::byte> payload) {
  BOOST_OUTCOME_TRYV(check_part(part, payload));
  const auto type = static_cast<dtype>(part.dtype);
  if (!any_) {
    whole_.conversation = part.conversation;
    whole_.width = part.width;
    whole_.dtype = type;
    whole_.source = part.source;
    whole_.position_begin = part.position_begin;
    whole_.position_end = part.position_end;
    any_ = true;
  }
  if (part.conversation != whole_.conversation || part.width != whole_.width ||
      type != whole_.dtype)
    return contradiction(
        "parts of different conversations, widths or element types");
  if (part.source != whole_.source) whole_.source = "mixed";
  whole_.exact = whole_.exact && part.exact;
  whole_.relative_error = std::max(whole_.relative_error, part.relative_error);
  whole_.took_us = std::max(whole_.took_us, part.took_us);
  whole_.position_begin = std::min(whole_.position_begin, part.position_begin);
  whole_.position_end = std::max(whole_.position_end, part.position_end);

  const std::size_t stride = payload.size() / part.slots.size();
  for (std::size_t i = 0; i < part.slots.size(); ++i) {
    const auto values = payload.subspan(i * stride, stride);
    const activation_array::slot slot{static_cast<site>(part.slots[i]->site),
                                      part.slots[i]->layer};
    pieces_.push_back({index_of(slot),
                       part.position_begin,
                       part.position_end,
                       {values.begin(), values.end()}});
  }
  return success();
}

result<activation_array> activation_assembler::finish() {
  if (!any_) return contradiction("the daemon sent none");
  // In order of slot and position, pieces must join without gap or overlap;
  // then their bytes one after another are the array.
  std::sort(pieces_.begin(), pieces_.end(), [](const auto& a, const auto& b) {
    return std::pair(a.slot, a.position_begin) <
           std::pair(b.slot, b.position_begin);
  });
  std::size_t slot = 0;
  position_t next = whole_.position_begin;
  const auto incomplete = [&] {
    return contradiction("position " + std::to_string(next) + " of " +
                         name_of(whole_.slots[slot]) +
                         " is missing or came twice");
  };
  for (const auto& part : pieces_) {
    if (part.slot != slot) {
      if (next != whole_.position_end) return incomplete();
      ++slot;
      next = whole_.position_begin;
    }
    if (part.position_begin != next) return incomplete();
    next = part.position_end;
  }
  if (next != whole_.position_end) return incomplete();
  whole_.values.reserve(whole_.slots.size() * whole_.slot_bytes());
  for (const auto& part : pieces_)
    whole_.values.insert(whole_.values.end(), part.values.begin(),
                         part.values.end());
  pieces_.clear();
  any_ = false;
  return std::exchange(whole_, {});
}

}  // namespace lamina

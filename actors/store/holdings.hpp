// Values and lens records under a chunk's name, inside a write transaction.
// The name's record follows: whoever writes or removes one does it here.
#pragma once

#include <span>

#include "actors/chunks/lens_record.hpp"
#include "actors/chunks/stored_value.hpp"
#include "actors/store/names.hpp"

namespace lamina {

/// What happens to a value that is there with as many rows. In a chunk that is
/// written along a new path it is the same already; one that was computed
/// again may replace a damaged one.
enum class equal_rows { keep, replace };

/// invalid_argument when a value cannot be one of the chunk `name`.
result<void> check_values(const digest& name,
                          std::span<const stored_value_ptr> values);

/// Fewer rows never replace more, and a lower fidelity never a higher one of as
/// many rows; a higher one always does. A site that is written to counts as
/// evicted no longer, once its rows are as many as any conversation has of it.
result<void> write_values(write_transaction& txn, const digest& name,
                          std::span<const stored_value_ptr> values,
                          equal_rows policy, commit_report& report);

/// Adds to the records that are there; null does nothing.
result<void> merge_lens(write_transaction& txn, const digest& name,
                        const lens_block_ptr& lens, commit_report& report);

/// Counts down what a transaction may still free. The first thing always
/// fits: otherwise a value above the limit would never go.
class allowance {
 public:
  explicit allowance(std::uint64_t bytes_max) : left_(bytes_max) {}
  /// False, and nothing is taken: it does not fit any more.
  bool take(std::uint64_t bytes);
  std::uint64_t taken() const { return taken_; }

 private:
  std::uint64_t left_;
  std::uint64_t taken_ = 0;
};

/// Frees the values of a name; false: some are left, the allowance is used up.
/// Says how many went, and whose sites, in `removed` and `sites` (evicted_bit).
struct freed_values {
  std::uint64_t values = 0;
  std::uint32_t sites = 0;
  bool all = true;
};
result<freed_values> free_values(write_transaction& txn, const digest& name,
                                 allowance& left);
result<bool> free_lens(write_transaction& txn, const digest& name,
                       allowance& left);

}  // namespace lamina

// A model's code book: the mean of every channel of every captured row, which
// lossy qualities take away before they predict. Learned once per model from
// about 1,000 tokens; until there is one, values do without. A lossy value that
// was encoded with a book names it and cannot be decoded without it, so a book
// must be stored before, and as long as, any value that names it. Lossless
// values never need one.
//
// Immutable once made; any thread may read it. docs/codecs.md has what it is
// worth, docs/storage-format.md its bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "actors/chunks/raw_chunk.hpp"
#include "protocol/error.hpp"

namespace lamina {

class codebook {
 public:
  /// Reads what `serialise` wrote; corrupt, with the reason, for other bytes.
  static result<codebook> parse(std::span<const std::byte> bytes);
  std::vector<std::byte> serialise() const;

  const capture_shape& shape() const { return shape_; }

  /// XXH3-64 of the serialised book; never 0, which stands for no book.
  std::uint64_t id() const { return id_; }

  /// The mean row of a slot (raw_chunk.hpp), `width` numbers, all of them
  /// finite and exact in bfloat16.
  std::span<const float> mean(std::uint32_t slot) const& {
    return std::span(means_).subspan(std::size_t{slot} * shape_.width,
                                     shape_.width);
  }
  std::span<const float> mean(std::uint32_t slot) const&& = delete;

 private:
  friend class codebook_learner;
  codebook(const capture_shape& shape, std::vector<float> means);

  capture_shape shape_;
  std::vector<float> means_;  // [slot][width]
  std::uint64_t id_ = 0;
};

/// Tokens after which a book is worth making.
inline constexpr std::uint64_t codebook_tokens_enough = 1024;

/// Gathers what a book is made of. Belongs to one thread.
class codebook_learner {
 public:
  explicit codebook_learner(const capture_shape& shape);

  /// Takes rows in; the chunk must have the learner's shape. The first position
  /// of a conversation is passed over, and so are numbers far beyond their
  /// row's others, and those not finite: they say nothing of other tokens.
  void add(const ready_rows& rows);

  /// Positions taken in so far.
  std::uint64_t tokens() const { return tokens_; }

  codebook finish() const;

 private:
  void add_row(std::uint32_t slot, std::span<const std::byte> row);

  capture_shape shape_;
  std::uint64_t tokens_ = 0;
  std::vector<double> sums_;           // [slot][width]
  std::vector<std::uint32_t> counts_;  // [slot][width]
  std::vector<float> row_;
};

}  // namespace lamina

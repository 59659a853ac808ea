// Scores activations against one query vector: cosine similarity or dot
// product. SIMD by Google Highway over float32, bfloat16 and float16 rows as
// they are stored, dispatched at run time; norms are computed on the fly.
//
// A scorer is immutable: any number of threads may use one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "protocol/error.hpp"
#include "protocol/site.hpp"

namespace lamina {

/// Numbers are frozen: they are on the wire.
enum class similarity : std::uint8_t { cosine = 1, dot = 2 };

class scorer {
 public:
  /// invalid_argument for a query that is empty, has an element that is no
  /// finite number, or, for cosine, no direction: all zeros.
  static result<scorer> make(std::vector<float> query, similarity metric);

  std::size_t width() const { return query_.size(); }

  /// Scores consecutive rows of width() elements, one for each element of
  /// `out`. What is no finite number (a row with NaN or infinity; a row of
  /// zeros under cosine) is NaN: it has no rank.
  ///
  /// Sums are float32, some lanes at a time: they differ from those of a plain
  /// loop in the last digits. Rows whose sums leave float32's range are summed
  /// again in double.
  void score(std::span<const std::byte> rows, dtype element,
             std::span<float> out) const;

 private:
  scorer(std::vector<float> query, similarity metric)
      : query_(std::move(query)), metric_(metric) {}

  float finish(float dot, float square, std::span<const std::byte> row,
               dtype element) const;

  std::vector<float> query_;  // of length 1 for cosine
  similarity metric_;
};

/// Which instruction set the kernels use here, for benchmarks.
const char* scoring_target();

}  // namespace lamina

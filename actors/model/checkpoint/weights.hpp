// From a checkpoint's tensors to the matrices that a family computes with:
// checked against the shape the configuration demands, in place where the
// stored form can be used, converted or moved to an aligned place otherwise.
#pragma once

#include <cstdint>
#include <memory>
#include <new>
#include <set>
#include <string>
#include <vector>

#include "actors/model/checkpoint/checkpoint.hpp"
#include "actors/model/kernels/matrix.hpp"
#include "protocol/error.hpp"

namespace lamina {

struct aligned_delete {
  void operator()(std::byte* bytes) const {
    ::operator delete[](bytes, std::align_val_t{matrix_alignment});
  }
};

/// Everything that matrices may point into. Immutable once loaded.
struct weight_memory {
  checkpoint files;
  std::vector<std::unique_ptr<std::byte[], aligned_delete>> copies;
};

/// Used once, by one thread, while a model loads.
class weights_reader {
 public:
  /// compute: float32 or bfloat16. In bfloat16 wider weights are rounded;
  /// in float32 bfloat16 weights stay as they are, for widening is exact.
  weights_reader(checkpoint files, dtype compute);

  dtype compute() const { return compute_; }
  std::uint64_t parameters() const { return parameters_; }

  /// `corrupt` when the tensor is missing or has another shape.
  result<matrix> matrix_of(const std::string& name, std::uint32_t rows,
                           std::uint32_t columns);
  result<std::vector<float>> vector(const std::string& name,
                                    std::uint32_t length);

  /// The tensor may be there and is not needed.
  void ignore(const std::string& name) { taken_.insert(name); }

  /// `unsupported` when a tensor was neither taken nor ignored: the model has
  /// a part that the family's code does not know.
  result<void> check_all_taken() const;

  std::shared_ptr<const weight_memory> memory() const { return memory_; }

 private:
  result<const tensor_view*> take(const std::string& name,
                                  std::vector<std::uint64_t> shape);

  std::shared_ptr<weight_memory> memory_;
  dtype compute_;
  bool align_ = false;  // copy what is not aligned for the kernels
  std::set<std::string> taken_;
  std::uint64_t parameters_ = 0;
};

}  // namespace lamina

// From a checkpoint's tensors to the matrices that a family computes with:
// checked against the shape the configuration demands, in place where the
// stored form can be used, copied otherwise. What is copied is counted, by
// reason: a model of mapped weights may be larger than memory, one of copies
// may not.
#pragma once

#include <cstdint>
#include <memory>
#include <new>
#include <set>
#include <string>
#include <vector>

#include "actors/model/checkpoint/checkpoint.hpp"
#include "actors/model/device/compute_device.hpp"
#include "actors/model/kernels/matrix.hpp"
#include "actors/model/kernels/quantise.hpp"
#include "actors/model/weight_format.hpp"
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
  std::vector<std::vector<float>> scales;  // of quantised copies
};

/// Where the bytes of the matrices lie.
struct weight_placement {
  std::uint64_t mapped_bytes = 0;     // in the file's pages, as stored
  std::uint64_t aligned_bytes = 0;    // copied to begin at a cache line
  std::uint64_t converted_bytes = 0;  // copied into another type
  std::uint64_t turned_bytes = 0;     // copied output by input
  std::uint64_t quantised_bytes = 0;  // copied as int8, scales included

  std::uint64_t copied_bytes() const {
    return aligned_bytes + converted_bytes + turned_bytes + quantised_bytes;
  }
};

struct weights_options {
  /// float32 or bfloat16. In bfloat16 wider weights are rounded; in float32
  /// bfloat16 weights stay as they are, for widening is exact.
  dtype compute = dtype::float32;
  /// That weights may take. A checkpoint of more than half of it is not copied
  /// for speed alone, nor is one that goes to a device.
  std::uint64_t memory_bytes = 0;
  /// Only checks and counts: the matrices must not be read.
  bool counting = false;
  weight_format format = weight_format::stored;
  /// Where they are copied to afterwards.
  compute_device device{};
};

/// Used once, by one thread, while a model loads.
class weights_reader {
 public:
  weights_reader(checkpoint files, weights_options options);

  const weights_options& options() const { return options_; }
  dtype compute() const { return options_.compute; }
  std::uint64_t parameters() const { return parameters_; }
  const weight_placement& placement() const { return placement_; }
  /// Of all weights that were quantised so far.
  const quantisation_error& quantised() const { return quantised_; }

  bool has(const std::string& name) const {
    return memory_->files.tensors.contains(name);
  }

  /// A matrix whose rows are looked up: never quantised. `corrupt` when the
  /// tensor is missing or has another shape.
  result<matrix> table_of(const std::string& name, std::uint32_t rows,
                          std::uint32_t columns);
  /// A matrix that is multiplied. `corrupt` also when it is to be quantised and
  /// has elements that are no finite numbers.
  result<matrix> matrix_of(const std::string& name, std::uint32_t rows,
                           std::uint32_t columns);
  /// The `count` matrices [rows][columns] of a tensor that is stored
  /// [columns][count][rows].
  result<std::vector<matrix>> matrices_turned(const std::string& name,
                                              std::uint32_t count,
                                              std::uint32_t rows,
                                              std::uint32_t columns);
  /// The matrix of a tensor that is already there as a table: the same memory,
  /// unless it is quantised.
  result<matrix> matrix_of_table(const std::string& name, const matrix& table);
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
  matrix shape_of(dtype stored, std::uint32_t rows,
                  std::uint32_t columns) const;
  matrix in_place_or_copied(const tensor_view& tensor, bool align);
  result<matrix> quantised_copy(const std::string& name,
                                const tensor_view& tensor, bool turned,
                                std::uint32_t first, std::uint32_t rows);
  std::byte* copy_of(const matrix& m);

  std::shared_ptr<weight_memory> memory_;
  weights_options options_;
  weight_placement placement_;
  quantisation_error quantised_;
  bool align_ = false;  // copy what is not aligned for the kernels
  std::set<std::string> taken_;
  std::uint64_t parameters_ = 0;
};

}  // namespace lamina

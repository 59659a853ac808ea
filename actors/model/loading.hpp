// The steps that loading a model and planning it share. Internal to
// actors/model.
#pragma once

#include <cstdint>
#include <exception>
#include <new>

#include "actors/model/model_directory.hpp"
#include "actors/model/model_plan.hpp"

namespace lamina {

/// What the weights may take: as the options say, else what is available now.
std::uint64_t memory_for(const model_options& options);

/// The plan of an opened directory: builds the architecture without reading
/// the matrices, and counts.
result<model_plan> count_weights(const model_directory& opened,
                                 const model_options& options);

/// Runs a step that may throw what libtorch and allocations throw.
template <class Step>
auto guarded(const model_options& options, Step step) -> decltype(step()) {
  try {
    return step();
  } catch (const std::bad_alloc&) {
    return fail(error_code::out_of_memory,
                options.directory.string() + ": loading ran out of memory");
  } catch (const std::exception& e) {
    return fail(error_code::internal,
                options.directory.string() + ": loading failed: " + e.what());
  }
}

}  // namespace lamina

// How fast this machine reads memory: what decoding at batch 1 is held
// against, for it reads all weights for each token.
#pragma once

#include <cstddef>

namespace lamina::cli {

/// Bytes per second of all cores reading as much memory again and again, the
/// median of some passes. Several streams a thread, for one alone does not
/// reach what the memory bus gives.
double memory_read_rate(std::size_t bytes);

}  // namespace lamina::cli

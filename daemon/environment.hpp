// What the process must have before its libraries load, and what it loaded.
#pragma once

#include <string>

#include "protocol/error.hpp"

namespace lamina {

/// libgomp reads OMP_WAIT_POLICY when it loads, and its default makes threads
/// spin against each other: a decode step beside one busy thread took 30 times
/// longer. Sets it and executes this program again, once; returns when nothing
/// had to be done.
void ensure_passive_openmp(char** argv);

/// Buffers of megabytes come and go with every frame, chunk and commit. glibc
/// gives such memory back at once, and then has the kernel clear new pages: a
/// fifth of the processor time of writing. Keeps up to 128 MB instead.
void keep_freed_memory();

/// The BLAS that this process has mapped: its path, or "none".
std::string loaded_blas();

/// A warning when that BLAS is a slow one or fights OpenMP; else empty.
std::string blas_warning(const std::string& path);

}  // namespace lamina

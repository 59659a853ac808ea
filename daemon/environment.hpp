// What the process must have before its libraries load, and what it loaded.
#pragma once

#include <string>
#include <string_view>

#include "protocol/error.hpp"

namespace lamina {

/// libgomp reads OMP_WAIT_POLICY when it loads, and its default makes threads
/// spin against each other: a decode step beside one busy thread took 30 times
/// longer. OpenBLAS takes its oldest kernels on a CPU that is newer than
/// itself, a fourth of the speed, unless OPENBLAS_CORETYPE says which. Sets
/// what is not set and executes this program again, once; returns when nothing
/// had to be done.
void ensure_environment(char** argv);

/// A core whose kernels this CPU can run, "SkylakeX" or "Haswell", when
/// OpenBLAS took one that knows no AVX; else empty.
std::string better_blas_core(std::string_view taken, bool avx2, bool avx512);

/// Buffers of megabytes come and go with every frame, chunk and commit. glibc
/// gives such memory back at once, and then has the kernel clear new pages: a
/// fifth of the processor time of writing. Keeps up to 128 MB instead.
void keep_freed_memory();

/// The BLAS that this process has mapped: its path, or "none".
std::string loaded_blas();

/// A warning when that BLAS is a slow one or fights OpenMP; else empty.
std::string blas_warning(const std::string& path);

}  // namespace lamina

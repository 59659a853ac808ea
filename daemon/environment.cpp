#include "daemon/environment.hpp"

#include <dlfcn.h>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>

namespace lamina {

namespace {

/// True when it was not set before.
bool set_once(const char* variable, const std::string& value) {
  if (value.empty() || std::getenv(variable)) return false;
  return setenv(variable, value.c_str(), 1) == 0;
}

std::string blas_core_to_take() {
  using corename = const char*();
  auto* taken =
      reinterpret_cast<corename*>(dlsym(RTLD_DEFAULT, "openblas_get_corename"));
  if (taken == nullptr) return {};
#if defined(__x86_64__)
  const bool avx512 =
      __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
  return better_blas_core(taken(), __builtin_cpu_supports("avx2"), avx512);
#else
  return {};
#endif
}

}  // namespace

std::string better_blas_core(std::string_view taken, bool avx2, bool avx512) {
  constexpr std::string_view of_sse[] = {"Prescott", "Core2", "Penryn",
                                         "Dunnington", "Nehalem"};
  if (std::ranges::find(of_sse, taken) == std::end(of_sse)) return {};
  return avx512 ? "SkylakeX" : avx2 ? "Haswell" : "";
}

void ensure_environment(char** argv) {
  // The marker stops a second round when a variable cannot be set.
  if (std::getenv("LAMINA_EXECUTED_AGAIN")) return;
  const bool openmp = set_once("OMP_WAIT_POLICY", "passive");
  const bool blas = set_once("OPENBLAS_CORETYPE", blas_core_to_take());
  if (!openmp && !blas) return;
  setenv("LAMINA_EXECUTED_AGAIN", "1", 1);
  execv("/proc/self/exe", argv);
  // Without the second start everything works, only slower.
}

void keep_freed_memory() {
#if defined(__GLIBC__)
  constexpr int megabyte = 1 << 20;
  mallopt(M_MMAP_THRESHOLD, 32 * megabyte);  // the most that glibc takes
  mallopt(M_TRIM_THRESHOLD, 128 * megabyte);
#endif
}

std::string loaded_blas() {
  std::ifstream maps("/proc/self/maps");
  std::string first_other = "none";
  for (std::string line; std::getline(maps, line);) {
    auto slash = line.find('/');
    if (slash == std::string::npos) continue;
    auto path = line.substr(slash);
    if (path.find("libopenblas") != std::string::npos) return path;
    if (path.find("libblas.so") != std::string::npos) first_other = path;
  }
  return first_other;
}

std::string blas_warning(const std::string& path) {
  if (path.find("openblas") == std::string::npos)
    return "the BLAS in use is " + path +
           ", which is many times slower than OpenBLAS: install "
           "libopenblas0-openmp";
  if (path.find("pthread") != std::string::npos)
    return "the BLAS in use is " + path +
           ", whose threads spin against OpenMP's: install "
           "libopenblas0-openmp and remove libopenblas0-pthread";
  return {};
}

}  // namespace lamina

#include "daemon/environment.hpp"

#include <malloc.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

namespace lamina {

void ensure_passive_openmp(char** argv) {
  // The marker stops a second round when the variable cannot be set.
  if (std::getenv("OMP_WAIT_POLICY") || std::getenv("LAMINA_EXECUTED_AGAIN"))
    return;
  setenv("OMP_WAIT_POLICY", "passive", 1);
  setenv("LAMINA_EXECUTED_AGAIN", "1", 1);
  execv("/proc/self/exe", argv);
  // Without the second start everything works, only slower beside others.
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

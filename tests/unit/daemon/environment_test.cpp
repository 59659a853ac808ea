#include "daemon/environment.hpp"

#include <gtest/gtest.h>

namespace lamina {
namespace {

TEST(Environment, OpenBlasIsToldOfACpuThatIsNewerThanItself) {
  EXPECT_EQ(better_blas_core("Prescott", true, true), "SkylakeX");
  EXPECT_EQ(better_blas_core("Prescott", true, false), "Haswell");
  EXPECT_EQ(better_blas_core("Nehalem", false, false), "") << "it is one";
  EXPECT_EQ(better_blas_core("Zen", true, true), "") << "it knows better";
}

}  // namespace
}  // namespace lamina

#include "daemon/tls.hpp"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <fstream>

namespace lamina {
namespace {

using testing::HasSubstr;

class TlsTest : public testing::Test {
 protected:
  TlsTest() {
    std::string pattern = testing::TempDir() + "lamina-tls-XXXXXX";
    directory_ = mkdtemp(pattern.data());
  }
  ~TlsTest() override { std::filesystem::remove_all(directory_); }

  std::filesystem::path write(const char* name, mode_t mode) {
    const auto file = directory_ / name;
    std::ofstream(file) << "no PEM\n";
    chmod(file.c_str(), mode);
    return file;
  }

  std::filesystem::path directory_;
};

TEST_F(TlsTest, AFileThatIsNotThereIsNamed) {
  const auto refused =
      make_tls_context(directory_ / "none.pem", write("key.pem", 0600));
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().context, HasSubstr("none.pem: No such file"));
}

TEST_F(TlsTest, AKeyForEverybodyIsRefused) {
  const auto refused =
      make_tls_context(write("chain.pem", 0644), write("key.pem", 0644));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, error_code::forbidden);
}

TEST_F(TlsTest, WhatIsNoCertificateIsNamed) {
  const auto refused =
      make_tls_context(write("chain.pem", 0644), write("key.pem", 0600));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, error_code::invalid_argument);
  EXPECT_THAT(refused.error().context, HasSubstr("chain.pem"));
}

}  // namespace
}  // namespace lamina

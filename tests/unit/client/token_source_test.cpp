#include "client/cli/token_source.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>

namespace lamina::cli {
namespace {

class TokenSourceTest : public testing::Test {
 protected:
  TokenSourceTest() {
    unsetenv("LAMINA_TOKEN");
    unsetenv("LAMINA_TOKEN_FILE");
  }
  ~TokenSourceTest() override {
    unsetenv("LAMINA_TOKEN");
    unsetenv("LAMINA_TOKEN_FILE");
    std::remove(file_.c_str());
  }

  void write(const std::string& text, mode_t mode) {
    std::ofstream(file_) << text;
    chmod(file_.c_str(), mode);
  }

  const std::string file_ = testing::TempDir() + "lamina-token-source";
};

TEST_F(TokenSourceTest, AFileThatIsNamedComesFirst) {
  write("from file\nmore\n", 0600);
  setenv("LAMINA_TOKEN", "from environment", 1);
  EXPECT_EQ(find_token(file_).value(), "from file");
  EXPECT_EQ(find_token("").value(), "from environment");
}

TEST_F(TokenSourceTest, TheEnvironmentMayNameAFile) {
  write("from file\n", 0600);
  setenv("LAMINA_TOKEN_FILE", file_.c_str(), 1);
  EXPECT_EQ(find_token("").value(), "from file");
}

TEST_F(TokenSourceTest, WithoutAnyThereIsNone) {
  EXPECT_EQ(find_token("").value(), "");
}

TEST_F(TokenSourceTest, AFileThatOthersCanReadIsRefused) {
  write("t\n", 0640);
  EXPECT_EQ(find_token(file_).error().code, error_code::forbidden);
}

TEST_F(TokenSourceTest, AnEmptyFileHasNoToken) {
  write("", 0600);
  EXPECT_EQ(find_token(file_).error().code, error_code::io_error);
  EXPECT_EQ(find_token(file_ + ".not").error().code, error_code::io_error);
}

}  // namespace
}  // namespace lamina::cli

#include "actors/model/allowed_directory.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

namespace lamina {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class AllowedDirectory : public ::testing::Test {
 protected:
  AllowedDirectory() {
    std::string name = ::testing::TempDir() + "lamina_roots_XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    base_ = fs::canonical(name);
    fs::create_directories(base_ / "root/model");
    fs::create_directories(base_ / "rooted");
    fs::create_directories(base_ / "outside");
    std::ofstream(base_ / "outside/weights") << "w";
  }
  ~AllowedDirectory() override { fs::remove_all(base_); }

  result<fs::path> ask(const fs::path& path) const {
    const std::vector<fs::path> roots{base_ / "root", base_ / "gone"};
    return allowed_directory(path, roots);
  }
  void expect_refused(const fs::path& path, error_code code,
                      const std::string& part) const {
    const auto answer = ask(path);
    ASSERT_FALSE(answer) << path;
    EXPECT_EQ(answer.error().code, code) << answer.error().context;
    EXPECT_THAT(answer.error().context, HasSubstr(part));
  }

  fs::path base_;
};

TEST_F(AllowedDirectory, UnderARootIsWhatItReallyIs) {
  EXPECT_EQ(ask(base_ / "root/model").value(), base_ / "root/model");
  EXPECT_EQ(ask(base_ / "root").value(), base_ / "root");
  EXPECT_EQ(ask(base_ / "outside/../root/model").value(), base_ / "root/model");
  fs::create_directory_symlink(base_ / "root/model", base_ / "outside/link");
  EXPECT_EQ(ask(base_ / "outside/link").value(), base_ / "root/model");
}

TEST_F(AllowedDirectory, OutsideIsForbiddenByName) {
  expect_refused(base_ / "outside", error_code::forbidden,
                 (base_ / "outside").string() + " lies in none");
  expect_refused(base_ / "root/../outside", error_code::forbidden,
                 (base_ / "outside").string());
  // A name that only begins like a root's.
  expect_refused(base_ / "rooted", error_code::forbidden, "lies in none");
  EXPECT_FALSE(allowed_directory(base_ / "root", {}));
}

TEST_F(AllowedDirectory, ALinkOutIsForbiddenWithWhereItLeads) {
  fs::create_directory_symlink(base_ / "outside", base_ / "root/link");
  expect_refused(base_ / "root/link", error_code::forbidden,
                 (base_ / "outside").string());
  fs::create_symlink(base_ / "outside/weights", base_ / "root/model/weights");
  expect_refused(base_ / "root/model", error_code::forbidden,
                 (base_ / "outside/weights").string());
}

// As the Hugging Face cache has it: snapshots of links into blobs.
TEST_F(AllowedDirectory, FilesMayBeLinksWithinARoot) {
  std::ofstream(base_ / "root/blob") << "w";
  fs::create_symlink("../blob", base_ / "root/model/weights");
  fs::create_symlink("nowhere", base_ / "root/model/dangling");
  EXPECT_TRUE(ask(base_ / "root/model"));
}

TEST_F(AllowedDirectory, WhatIsNoDirectoryIsAnError) {
  expect_refused(base_ / "root/none", error_code::not_found, "none");
  expect_refused("root/model", error_code::invalid_argument, "absolute");
  std::ofstream(base_ / "root/file") << "w";
  expect_refused(base_ / "root/file", error_code::io_error, "file");
}

}  // namespace
}  // namespace lamina

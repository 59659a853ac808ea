// Disks that are full or fail: a commit that fails leaves the store as it was,
// and the next one may succeed.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <thread>

#include "actors/store/page_check.hpp"
#include "tests/crash/io_shim.hpp"
#include "tests/unit/store/store_fixture.hpp"

namespace lamina {
namespace {

using testing::HasSubstr;

class FaultsTest : public testing::Test {
 protected:
  FaultsTest() {
    io_shim::watch(directory_.path().string());
    open();
    const std::vector<write_op> ops{put_conversation{conversation(1)},
                                    write_of(0)};
    EXPECT_TRUE(store_->commit(ops).has_value());
  }
  ~FaultsTest() override {
    io_shim::heal();
    io_shim::unwatch();
  }

  void open() {
    auto opened = store::open(
        {directory_.path() / "s", std::uint64_t{1} << 30, 126, true});
    ASSERT_TRUE(opened.has_value()) << to_string(opened.error());
    store_ = opened.value();
  }
  static write_op write_of(std::uint8_t i) {
    return put_chunk{
        1, i, chunk(name(i), 16), {value(name(i), 16, 50'000)}, lens(0, 3)};
  }
  error_code commit_fails(std::uint8_t i) {
    const std::vector<write_op> ops{write_of(i)};
    const auto report = store_->commit(ops);
    EXPECT_TRUE(report.has_error());
    return report.has_error() ? report.error().code : error_code::internal;
  }
  void expect_stored_up_to(std::uint8_t count) {
    const auto reader = store_->reader();
    EXPECT_EQ(reader->chunks(1).value().size(), count);
    for (std::uint8_t i = 0; i < count; ++i) {
      const value_key key{name(i), site::resid_post, 0};
      EXPECT_EQ(reader->values(std::span(&key, 1)).value()[0]->bytes,
                value(name(i), 16, 50'000)->bytes);
    }
    EXPECT_EQ(store_->repair(1000).value().repaired(), 0u);
    const auto f = store_->statistics().value().file;
    EXPECT_EQ(f.file_bytes + f.unwritten_bytes - f.behind_bytes,
              f.own_bytes + f.live_bytes + f.rounding_bytes + f.free_bytes);
  }
  void expect_that_the_next_commit_succeeds(std::uint8_t i) {
    const std::vector<write_op> ops{write_of(i)};
    const auto report = store_->commit(ops);
    ASSERT_TRUE(report.has_value()) << to_string(report.error());
    expect_stored_up_to(static_cast<std::uint8_t>(i + 1));
    store_.reset();
    const auto census = check_pages(directory_.path() / "s" / "data.mdb");
    ASSERT_TRUE(census.has_value()) << to_string(census.error());
    EXPECT_EQ(census.value().lost_pages, 0u);
  }

  temporary_directory directory_;
  std::shared_ptr<store> store_;
};

TEST_F(FaultsTest, FullDiskFailsTheCommitAndTheNextOneSucceeds) {
  for (std::uint64_t good = 0; good < 2; ++good) {
    io_shim::fail_after(io_shim::target::data_writes, good, ENOSPC);
    EXPECT_EQ(commit_fails(1), error_code::disk_full) << good;
    expect_stored_up_to(1);
  }
  io_shim::heal();
  expect_that_the_next_commit_succeeds(1);
}

TEST_F(FaultsTest, FailedWriteFailsTheCommitAndTheNextOneSucceeds) {
  io_shim::fail_after(io_shim::target::data_writes, 0, EIO);
  EXPECT_EQ(commit_fails(1), error_code::io_error);
  EXPECT_EQ(commit_fails(1), error_code::io_error);
  expect_stored_up_to(1);
  io_shim::heal();
  expect_that_the_next_commit_succeeds(1);
}

TEST_F(FaultsTest, FailedSyncFailsTheCommitAndTheNextOneSucceeds) {
  io_shim::fail_after(io_shim::target::syncs, 0, EIO);
  EXPECT_EQ(commit_fails(1), error_code::io_error);
  expect_stored_up_to(1);
  io_shim::heal();
  expect_that_the_next_commit_succeeds(1);
}

// LMDB gives up an environment whose meta page it could not write: the store
// opens it again, under the readers that there are.
TEST_F(FaultsTest, FailedMetaPageFailsTheCommitAndTheNextOneSucceeds) {
  const auto reader = store_->reader();
  const auto idle = store_->reader();
  EXPECT_EQ(reader->chunks(1).value().size(), 1u);
  io_shim::fail_after(io_shim::target::meta_writes, 0, EIO);
  EXPECT_EQ(commit_fails(1), error_code::io_error);
  EXPECT_EQ(commit_fails(1), error_code::io_error);
  io_shim::heal();
  const std::vector<write_op> ops{write_of(1)};
  ASSERT_TRUE(store_->commit(ops).has_value());
  EXPECT_EQ(reader->chunks(1).value().size(), 2u);
  EXPECT_EQ(idle->chunks(1).value().size(), 2u);
  expect_stored_up_to(2);
}

TEST_F(FaultsTest, ReadersGoOnWhileTheEnvironmentIsOpenedAgain) {
  std::atomic<bool> done = false;
  const auto read_on = [this, &done] {
    std::uint64_t good = 0;
    while (!done || good == 0) {
      // Made anew each time: its end, too, may meet the reopening.
      const auto reader = store_->reader();
      for (int i = 0; i < 20; ++i) {
        const auto seen = reader->chunks(1);
        good += seen.has_value() ? 1 : 0;
        ASSERT_TRUE(seen.has_value() ||
                    seen.error().code == error_code::io_error ||
                    seen.error().code == error_code::unavailable)
            << to_string(seen.error());
      }
    }
  };
  {
    std::jthread first(read_on), second(read_on);
    for (std::uint8_t i = 1; i <= 30; ++i) {
      io_shim::fail_after(io_shim::target::meta_writes, 0, EIO);
      EXPECT_EQ(commit_fails(i), error_code::io_error);
      io_shim::heal();
      const std::vector<write_op> ops{write_of(i)};
      const auto report = store_->commit(ops);
      EXPECT_TRUE(report.has_value()) << to_string(report.error());
    }
    done = true;
  }
  expect_stored_up_to(31);
}

TEST_F(FaultsTest, SweepAndEvictionFailWithoutLosingAnything) {
  eviction_request request;
  request.values.used_bytes_max = 0;
  request.now_unix_ms = 1;
  io_shim::fail_after(io_shim::target::data_writes, 0, ENOSPC);
  EXPECT_EQ(store_->evict(request).error().code, error_code::disk_full);
  expect_stored_up_to(1);
  io_shim::heal();
  EXPECT_EQ(store_->evict(request).value().names.size(), 1u);
}

TEST_F(FaultsTest, ReadOnlyFileSystemIsAnIoError) {
  io_shim::fail_after(io_shim::target::data_writes, 0, EROFS);
  EXPECT_EQ(commit_fails(1), error_code::io_error);
  expect_stored_up_to(1);
}

// The system's own limit instead of the shim: the child may not grow files.
TEST_F(FaultsTest, LimitOnFileSizeIsADiskThatIsFull) {
  store_.reset();
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    open();
    const rlimit before{RLIM_INFINITY, RLIM_INFINITY};
    const rlimit tight{200'000, RLIM_INFINITY};
    ::setrlimit(RLIMIT_FSIZE, &tight);
    std::uint8_t i = 1;
    while (i < 20) {
      const std::vector<write_op> ops{write_of(i)};
      const auto report = store_->commit(ops);
      if (report.has_error() && report.error().code != error_code::disk_full)
        ::_exit(1);
      if (report.has_error()) break;
      ++i;
    }
    if (i == 20) ::_exit(2);
    ::setrlimit(RLIMIT_FSIZE, &before);
    expect_stored_up_to(i);
    expect_that_the_next_commit_succeeds(i);
    ::_exit(HasFailure() ? 3 : 0);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace lamina

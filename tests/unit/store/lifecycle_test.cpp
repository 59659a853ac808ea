// Opening, closing, locking, limits, and readers beside the writer.
#include <sys/stat.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "tests/unit/store/store_fixture.hpp"

namespace lamina {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

TEST_F(StoreTest, ReopenedStoreHasWhatWasCommitted) {
  put({put_conversation{conversation(1)},
       put_chunk{1, 0, chunk(name(1), 16), {value(name(1), 16)}, lens(0, 3)}});
  const auto before = statistics();
  reopen();
  EXPECT_THAT(chunks(1), SizeIs(1));
  EXPECT_EQ(read(name(1))->bytes, value(name(1), 16)->bytes);
  EXPECT_EQ(reader_->lens(name(1)).value()->rows, 3u);
  EXPECT_EQ(statistics().references, before.references);
  EXPECT_EQ(statistics().value_bytes, before.value_bytes);
}

TEST_F(StoreTest, RunningTurnReadsAsInterruptedAfterReopening) {
  auto running = conversation(1);
  running.state = turn_state::running;
  auto failed = conversation(2);
  failed.state = turn_state::failed;
  put({put_conversation{running}, put_conversation{failed}});
  EXPECT_EQ(reader_->conversations().value()[0].state, turn_state::running);
  reopen();
  const auto all = reader_->conversations().value();
  EXPECT_EQ(all[0].state, turn_state::interrupted);
  EXPECT_EQ(all[1].state, turn_state::failed);
}

TEST_F(StoreTest, SecondOpenIsRefusedNamingTheFirstProcess) {
  const auto second = store::open(options());
  ASSERT_TRUE(second.has_error());
  EXPECT_EQ(second.error().code, error_code::unavailable);
  EXPECT_THAT(second.error().context,
              HasSubstr("process " + std::to_string(::getpid())));
}

TEST_F(StoreTest, ReaderKeepsTheStoreOpen) {
  put({put_conversation{conversation(1)}});
  store_.reset();
  EXPECT_THAT(reader_->conversations().value(), SizeIs(1));
  EXPECT_EQ(store::open(options()).error().code, error_code::unavailable);
  reader_.reset();
  open();
}

TEST_F(StoreTest, DirectoryAndFilesAreTheOwnersAlone) {
  for (const char* file : {"", "data.mdb", "lock"}) {
    struct stat s {};
    ASSERT_EQ(::stat((options().directory / file).c_str(), &s), 0);
    EXPECT_EQ(s.st_mode & 077u, 0u) << file;
  }
}

TEST(StoreOpening, DefaultMapIsReservedOnASmallFile) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "a terabyte of addresses does not fit beside tsan's own";
#endif
  const temporary_directory directory;
  store_options options;
  options.directory = directory.path() / "a" / "b";
  const auto opened = store::open(options);
  ASSERT_TRUE(opened.has_value());
  EXPECT_LT(opened.value()->statistics().value().file_bytes, 1u << 20);
}

TEST(StoreOpening, UnusablePathsAreIoErrors) {
  const temporary_directory directory;
  const auto file = directory.path() / "file";
  std::ofstream(file) << "x";
  store_options options;
  options.directory = file / "below";
  const auto opened = store::open(options);
  ASSERT_TRUE(opened.has_error());
  EXPECT_EQ(opened.error().code, error_code::io_error);
  EXPECT_THAT(opened.error().context, HasSubstr("below"));
}

TEST(StoreOpening, FullMapIsDiskFullAndStoresNothingOfTheBatch) {
  const temporary_directory directory;
  const auto store =
      store::open({directory.path() / "s", 1 << 20, 126, false}).value();
  const auto put = [&store](const std::vector<write_op>& ops) {
    return store->commit(ops);
  };
  ASSERT_TRUE(put({put_conversation{conversation(1)}}));
  const auto full = put(
      {put_chunk{1, 0, chunk(name(1), 16), {value(name(1), 16)}, nullptr},
       put_chunk{
           1, 1, chunk(name(2), 16), {value(name(2), 16, 2 << 20)}, nullptr}});
  ASSERT_TRUE(full.has_error());
  EXPECT_EQ(full.error().code, error_code::disk_full);
  EXPECT_EQ(store->statistics().value().values, 0u);
  EXPECT_EQ(store->statistics().value().references, 0u);
  EXPECT_TRUE(
      put({put_chunk{1, 0, chunk(name(1), 16), {value(name(1), 16)}, {}}}));
  EXPECT_EQ(store->statistics().value().values, 1u);
}

TEST(StoreOpening, MoreReadersThanAllowedAreRefused) {
  const temporary_directory directory;
  const auto opened =
      store::open({directory.path() / "s", 1 << 20, 2, false}).value();
  std::vector<std::unique_ptr<store_reader>> readers;
  std::optional<error> refused;
  for (int i = 0; i < 4 && !refused; ++i) {
    readers.push_back(opened->reader());
    const auto read = readers.back()->conversations();
    if (read.has_error()) refused = read.error();
  }
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->code, error_code::limit_exceeded);
}

// A snapshot that lingered would keep every page freed since.
TEST_F(StoreTest,
       ReadersDoNotMakeTheFileGrowWhileOneValueIsWrittenOverAndOver) {
  put({put_conversation{conversation(1)},
       put_chunk{1, 0, chunk(name(1), 16), {value(name(1), 16, 1 << 20)}, {}}});
  for (std::size_t i = 1; i <= 300; ++i) {
    ASSERT_NE(read(name(1)), nullptr);
    put({put_values{name(1), {value(name(1), 16, (1 << 20) + i % 2)}}});
  }
  EXPECT_LT(statistics().file_bytes, 8u << 20);
}

// A reader sees each commit whole: the chunk and its value, or neither.
TEST_F(StoreTest, ReadersBesideTheWriterSeeWholeCommits) {
  put({put_conversation{conversation(1)}});
  std::atomic<bool> done = false;
  std::atomic<std::uint64_t> reads = 0;
  const auto read_on = [this, &done, &reads] {
    const auto reader = store_->reader();
    std::size_t most = 0;
    while (!done || reads == 0) {
      const auto seen = reader->chunks(1);
      ASSERT_TRUE(seen.has_value());
      ASSERT_GE(seen.value().size(), most);
      most = seen.value().size();
      std::vector<value_key> keys;
      for (const auto& c : seen.value())
        keys.push_back({c.name, site::resid_post, 0});
      const auto values = reader->values(keys);
      ASSERT_TRUE(values.has_value());
      for (const auto& v : values.value()) {
        ASSERT_NE(v, nullptr);
        ASSERT_EQ(v->bytes, value(v->key.chunk, 16)->bytes);
      }
      reads += 1;
    }
  };
  {
    std::jthread first(read_on), second(read_on);
    for (std::uint8_t i = 0; i < 200; ++i)
      put({put_chunk{1, i, chunk(name(i), 16), {value(name(i), 16)}, {}}});
    done = true;
  }
  EXPECT_GE(reads, 1u);
  EXPECT_THAT(chunks(1), SizeIs(200));
}

}  // namespace
}  // namespace lamina

// Damaged pages, files cut short, and unclean exits.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <random>

#include "actors/store/page_check.hpp"
#include "tests/unit/store/store_fixture.hpp"

namespace lamina {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

constexpr std::uint64_t page = 4096;

class InspectionTest : public StoreTest {
 protected:
  InspectionTest() {
    std::vector<write_op> ops{put_conversation{conversation(1)}};
    for (std::uint8_t i = 0; i < 120; ++i)
      ops.push_back(put_chunk{1,
                              i,
                              chunk(name(i), 16, i),
                              {value(name(i), 16, i % 2 == 0 ? 300 : 9'000)},
                              lens(0, 4)});
    put(ops);
    put({delete_conversation{1}, put_conversation{conversation(2)},
         put_chunk{2, 0, chunk(name(1), 16), {value(name(1), 16)}, {}}});
    EXPECT_TRUE(store_->sweep(300'000).has_value());
    put(std::vector<write_op>(ops.begin(), ops.begin() + 60));
  }

  std::filesystem::path file() const {
    return options().directory / "data.mdb";
  }
  std::filesystem::path marker() const {
    return options().directory / "running";
  }
  void pretend_unclean_exit() { std::ofstream(marker()) << ""; }

  std::string contents() const {
    std::ifstream in(file(), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void write_contents(const std::string& bytes) const {
    std::ofstream(file(), std::ios::binary | std::ios::trunc) << bytes;
  }
  // The kind of a page: its flags; 0 for pages of large records, which say
  // nothing but on their first one.
  static int kind(const std::string& bytes, std::uint64_t number) {
    std::uint64_t says = 0;
    std::memcpy(&says, bytes.data() + number * page, sizeof says);
    return says == number ? bytes[number * page + 10] & 3 : 0;
  }
};

TEST_F(InspectionTest, SoundFileHasNoLostPage) {
  close();
  const auto census = check_pages(file());
  ASSERT_TRUE(census.has_value()) << to_string(census.error());
  EXPECT_EQ(census.value().lost_pages, 0u);
  EXPECT_GT(census.value().free_pages, 0u);
  EXPECT_GT(census.value().databases.at("values").overflow_pages, 0u);
  EXPECT_GT(census.value().databases.at("values").branch_pages, 0u);
}

TEST_F(InspectionTest, MarkerLiesThereWhileTheStoreIsOpen) {
  EXPECT_TRUE(std::filesystem::exists(marker()));
  EXPECT_FALSE(store_->opened().unclean);
  close();
  EXPECT_FALSE(std::filesystem::exists(marker()));
}

TEST_F(InspectionTest, SoundStoreIsKeptAfterAnUncleanExit) {
  close();
  pretend_unclean_exit();
  open();
  EXPECT_TRUE(store_->opened().unclean);
  EXPECT_FALSE(store_->opened().damage);
  EXPECT_THAT(chunks(1), SizeIs(59));
  close();
  EXPECT_FALSE(std::filesystem::exists(marker()));
}

TEST_F(InspectionTest, ProcessThatDiesLeavesTheMarker) {
  close();
  const pid_t child = ::fork();
  if (child == 0) {
    const auto opened = store::open(options());
    ::_exit(opened.has_value() ? 0 : 1);
  }
  int status = 1;
  ::waitpid(child, &status, 0);
  ASSERT_EQ(status, 0);
  open();
  EXPECT_TRUE(store_->opened().unclean);
  EXPECT_FALSE(store_->opened().damage);
}

// The header of each tree page in use, flipped bit by bit, is noticed. Free
// pages still look like what they were: flips there do no harm.
TEST_F(InspectionTest, FlippedBitsInTreePageHeadersAreNoticed) {
  close();
  const std::string sound = contents();
  const auto census = check_pages(file()).value();
  std::uint64_t in_use = census.free_list.leaf_pages + census.main.leaf_pages;
  for (const auto& [name, tree] : census.databases)
    in_use += tree.leaf_pages + tree.branch_pages;
  std::uint64_t noticed = 0;
  for (std::uint64_t number = 2; number < sound.size() / page; ++number) {
    if (kind(sound, number) == 0) continue;
    std::uint64_t bits = 0;
    // The page's number, its kind, and how much of it is filled.
    for (const std::size_t at : {0, 3, 7, 10, 12}) {
      std::string flipped = sound;
      flipped[number * page + at] =
          static_cast<char>(flipped[number * page + at] ^ (at == 12 ? 4 : 1));
      write_contents(flipped);
      const auto found = check_pages(file());
      if (found.has_error()) {
        EXPECT_EQ(found.error().code, error_code::corrupt);
        ++bits;
      }
    }
    EXPECT_TRUE(bits == 0 || bits == 5) << "page " << number << ": " << bits;
    noticed += bits == 5 ? 1 : 0;
  }
  EXPECT_EQ(noticed, in_use);
}

TEST_F(InspectionTest, RandomDamageNeverCrashesTheWalk) {
  close();
  const std::string sound = contents();
  std::mt19937 random(7);
  int noticed = 0;
  for (int round = 0; round < 400; ++round) {
    std::string damaged = sound;
    for (int flips = 0; flips < 40; ++flips)
      damaged[random() % damaged.size()] = static_cast<char>(random());
    if (round % 4 == 0) damaged.resize(random() % damaged.size());
    write_contents(damaged);
    noticed += check_pages(file()).has_error() ? 1 : 0;
  }
  EXPECT_GT(noticed, 100);
}

TEST_F(InspectionTest, FlippedBitInATreePageSetsTheEnvironmentAside) {
  close();
  const std::string sound = contents();
  std::string bytes;
  std::uint64_t number = 1;
  do {  // until it is a page in use
    ++number;
    bytes = sound;
    bytes[number * page + 12] =
        static_cast<char>(sound[number * page + 12] ^ 1);
    write_contents(bytes);
  } while (kind(sound, number) != 1 || check_pages(file()).has_value());
  pretend_unclean_exit();
  open();
  ASSERT_TRUE(store_->opened().damage);
  const auto moved = options().directory / "damaged-1";
  EXPECT_EQ(store_->opened().moved_to, moved);
  EXPECT_THAT(store_->opened().damage->context, HasSubstr(moved.string()));
  EXPECT_THAT(store_->opened().damage->context,
              HasSubstr("page " + std::to_string(number)));
  EXPECT_EQ(std::filesystem::file_size(moved / "data.mdb"), bytes.size());
  EXPECT_THAT(reader_->conversations().value(), SizeIs(0));
  put({put_conversation{conversation(5)}});
  reopen();
  EXPECT_FALSE(store_->opened().damage);
  EXPECT_THAT(reader_->conversations().value(), SizeIs(1));
}

TEST_F(InspectionTest, SecondDamagedEnvironmentGetsAnotherName) {
  for (const char* expected : {"damaged-1", "damaged-2"}) {
    close();
    std::string bytes = contents();
    bytes[page + 16] ^= 1;  // the second meta page's magic number
    write_contents(bytes);
    open();
    EXPECT_EQ(store_->opened().moved_to, options().directory / expected);
  }
}

TEST_F(InspectionTest, TruncatedFileIsNoticedAfterACleanExitToo) {
  close();
  std::filesystem::resize_file(file(), 20 * page);
  open();
  ASSERT_TRUE(store_->opened().damage);
  EXPECT_FALSE(store_->opened().unclean);
  EXPECT_THAT(reader_->conversations().value(), SizeIs(0));
}

// ---- while it is mapped ----------------------------------------------------

class BusErrorTest : public InspectionTest {
 protected:
#ifdef __SANITIZE_THREAD__
  void SetUp() override {
    GTEST_SKIP() << "tsan does not follow a jump out of a signal handler";
  }
#endif
};

TEST_F(BusErrorTest, FileCutShortWhileMappedMakesReadsFailNotTheProcess) {
  ASSERT_THAT(chunks(1), SizeIs(59));
  std::filesystem::resize_file(file(), 3 * page);
  const auto lost = reader_->chunks(1);
  ASSERT_TRUE(lost.has_error());
  EXPECT_EQ(lost.error().code, error_code::unavailable);
  EXPECT_THAT(lost.error().context, HasSubstr("SIGBUS"));
  EXPECT_TRUE(statistics().unreadable);
}

TEST_F(BusErrorTest, AnUnreadableEnvironmentIsLeftAlone) {
  std::filesystem::resize_file(file(), 3 * page);
  ASSERT_TRUE(reader_->chunks(1).has_error());
  EXPECT_EQ(reader_->conversations().error().code, error_code::unavailable);
  const std::vector<write_op> ops{put_conversation{conversation(9)}};
  EXPECT_EQ(store_->commit(ops).error().code, error_code::unavailable);
  EXPECT_EQ(store_->sweep(1).error().code, error_code::unavailable);
  EXPECT_EQ(store_->usage().error().code, error_code::unavailable);
  close();
  EXPECT_TRUE(std::filesystem::exists(marker())) << "to be looked at";
  open();
  EXPECT_TRUE(store_->opened().damage);
}

TEST_F(BusErrorTest, WriterMeetsTheBusErrorToo) {
  std::filesystem::resize_file(file(), 3 * page);
  const std::vector<write_op> ops{delete_conversation{1}};
  const auto failed = store_->commit(ops);
  ASSERT_TRUE(failed.has_error());
  EXPECT_EQ(failed.error().code, error_code::unavailable);
  EXPECT_TRUE(statistics().unreadable);
}

TEST_F(BusErrorTest, BusErrorInAValueIsMetWhileItIsCopied) {
  // The tree is in the first pages, a large value at the end.
  put({put_chunk{
      2, 1, chunk(name(200), 16), {value(name(200), 16, 900'000)}, {}}});
  ASSERT_NE(read(name(200)), nullptr);
  const auto size = std::filesystem::file_size(file());
  std::filesystem::resize_file(file(), size - 100 * page);
  const value_key key{name(200), site::resid_post, 0};
  const auto lost = reader_->values(std::span(&key, 1));
  ASSERT_TRUE(lost.has_error());
  EXPECT_EQ(lost.error().code, error_code::unavailable);
}

}  // namespace
}  // namespace lamina

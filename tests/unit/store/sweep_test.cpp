// Deletion, tombstones and what a sweep frees.
#include "tests/unit/store/store_fixture.hpp"

namespace lamina {
namespace {

using testing::SizeIs;

class SweepTest : public StoreTest {
 protected:
  void put_chunks(conversation_id id, std::uint8_t first, std::uint8_t count,
                  std::size_t bytes = 1000) {
    put({put_conversation{conversation(id)}});
    for (std::uint8_t i = 0; i < count; ++i) {
      const digest n = name(static_cast<std::uint8_t>(first + i));
      put({put_chunk{id,
                     i,
                     chunk(n, 16),
                     {value(n, 16, bytes), value(n, 16, bytes, site::embed)},
                     lens(0, 2)}});
    }
  }
  sweep_report sweep(std::uint64_t bytes_max = 64 << 20) {
    return store_->sweep(bytes_max).value();
  }
};

TEST_F(SweepTest, DeletedConversationIsGoneAtOnceAndItsBytesWithTheSweep) {
  put_chunks(1, 1, 3);
  put({delete_conversation{1}});
  EXPECT_THAT(reader_->conversations().value(), SizeIs(0));
  EXPECT_EQ(reader_->chunks(1).error().code, error_code::not_found);
  auto s = statistics();
  EXPECT_EQ(s.references, 0u);
  EXPECT_EQ(s.chunk_names, 0u);
  EXPECT_EQ(s.tombstones, 3u);
  EXPECT_EQ(s.values, 6u);

  const auto report = sweep();
  EXPECT_EQ(report.names_removed, 3u);
  EXPECT_GE(report.bytes_removed, 6000u);
  EXPECT_FALSE(report.more);
  s = statistics();
  EXPECT_EQ(s.tombstones, 0u);
  EXPECT_EQ(s.values, 0u);
  EXPECT_EQ(s.value_bytes, 0u);
  EXPECT_EQ(reader_->lens(name(1)).value(), nullptr);
}

TEST_F(SweepTest, KeepsWithinItsBytesAndGoesOnNextTime) {
  put_chunks(1, 1, 5, 10'000);
  put({delete_conversation{1}});
  int sweeps = 0;
  std::uint64_t names = 0;
  for (bool more = true; more; ++sweeps) {
    const auto report = sweep(25'000);
    EXPECT_LE(report.bytes_removed, 25'000u);
    names += report.names_removed;
    more = report.more;
    ASSERT_LT(sweeps, 20);
  }
  EXPECT_GE(sweeps, 5);
  EXPECT_EQ(names, 5u);
  EXPECT_EQ(statistics().values, 0u);
  EXPECT_EQ(statistics().tombstones, 0u);
}

TEST_F(SweepTest, FreesAValueAboveItsLimit) {
  put_chunks(1, 1, 1, 10'000);
  put({delete_conversation{1}});
  EXPECT_TRUE(sweep(1).more);
  EXPECT_TRUE(sweep(1).more);
  EXPECT_FALSE(sweep(1).more);
  EXPECT_EQ(statistics().values, 0u);
}

TEST_F(SweepTest, NameThatIsReferredToAgainKeepsItsValues) {
  put_chunks(1, 1, 1);
  put({delete_conversation{1}});
  const auto report =
      put({put_conversation{conversation(2)},
           put_chunk{2, 0, chunk(name(1), 16), {value(name(1), 16)}, nullptr}});
  EXPECT_EQ(report.values_shared, 1u);
  EXPECT_EQ(statistics().tombstones, 0u);
  EXPECT_EQ(sweep().names_removed, 0u);
  EXPECT_NE(read(name(1)), nullptr);
  EXPECT_NE(read(name(1), site::embed), nullptr);
  EXPECT_NE(reader_->lens(name(1)).value(), nullptr);
}

TEST_F(SweepTest, SharedNameGoesWithItsLastReference) {
  put_chunks(1, 1, 2);
  put_chunks(2, 2, 1);  // shares name 2
  put({delete_conversation{1}});
  sweep();
  EXPECT_EQ(read(name(1)), nullptr);
  EXPECT_NE(read(name(2)), nullptr);
  put({delete_conversation{2}});
  sweep();
  EXPECT_EQ(read(name(2)), nullptr);
  EXPECT_EQ(statistics().value_bytes, 0u);
}

TEST_F(SweepTest, EmptyStoreHasNothingToSweep) {
  const auto report = sweep();
  EXPECT_EQ(report.names_removed, 0u);
  EXPECT_FALSE(report.more);
}

TEST_F(SweepTest, FreedPagesAreCountedAndUsedAgain) {
  put_chunks(1, 1, 40, 50'000);
  put({delete_conversation{1}});
  sweep();
  put({});  // pages freed by the last transaction count from the next one on
  const auto freed = statistics();
  EXPECT_GT(freed.free_bytes, 40u * 2 * 50'000);
  EXPECT_LE(freed.free_bytes, freed.file_bytes);
  put_chunks(2, 101, 30, 50'000);
  EXPECT_LT(statistics().free_bytes, freed.free_bytes);
  EXPECT_LT(statistics().file_bytes, freed.file_bytes * 5 / 4);
}

}  // namespace
}  // namespace lamina

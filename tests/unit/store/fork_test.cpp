// Forks share what lies before them, and outlive what they came from.
#include "tests/unit/store/store_fixture.hpp"

namespace lamina {
namespace {

using testing::SizeIs;

class ForkTest : public StoreTest {
 protected:
  // 40 positions: two full chunks and a tail.
  ForkTest() {
    put({put_conversation{conversation(1)},
         put_chunk{1, 0, chunk(name(1), 16, 1), {value(name(1), 16)}, {}},
         put_chunk{1, 1, chunk(name(2), 16, 2), {value(name(2), 16)}, {}},
         put_chunk{1, 2, chunk(name(3), 8, 3), {value(name(3), 8)}, {}}});
  }
  static fork_conversation fork_at(position_t position,
                                   conversation_id id = 2) {
    auto record = conversation(id);
    record.forked_at = position;
    return {1, record};
  }
};

TEST_F(ForkTest, AtPosition20SharesTheFullChunkAndCutsTheNext) {
  put({fork_at(20)});
  const auto forked = chunks(2);
  ASSERT_THAT(forked, SizeIs(2));
  EXPECT_EQ(forked[0].name, name(1));
  EXPECT_TRUE(forked[0].full);
  EXPECT_EQ(forked[1].name, name(2));
  EXPECT_FALSE(forked[1].full);
  ASSERT_THAT(forked[1].tokens, SizeIs(4));
  EXPECT_EQ(forked[1].tokens[3].id, 203u);
  const auto record = reader_->conversations().value()[1];
  EXPECT_EQ(record.positions, 20u);
  EXPECT_EQ(record.parent, 1u);
  const auto s = statistics();
  EXPECT_EQ(s.values, 3u);
  EXPECT_EQ(s.chunk_names, 3u);
  EXPECT_EQ(s.references, 5u);
}

TEST_F(ForkTest, OutlivesItsSource) {
  put({fork_at(20)});
  put({delete_conversation{1}});
  ASSERT_TRUE(store_->sweep(64 << 20).has_value());
  EXPECT_THAT(chunks(2), SizeIs(2));
  EXPECT_NE(read(name(1)), nullptr);
  EXPECT_NE(read(name(2)), nullptr);
  EXPECT_EQ(read(name(3)), nullptr);
  EXPECT_EQ(statistics().values, 2u);
}

// A conversation that refers to another's chunks by their names alone.
TEST_F(ForkTest, AReferenceByNameKeepsWhatIsThere) {
  auto record = chunk(name(1), 16, 1);
  record.resid_post = record.embed = presence::present;
  put({put_conversation{conversation(2)}, put_chunk{2, 0, record, {}, {}},
       delete_conversation{1}});
  ASSERT_TRUE(store_->sweep(64 << 20).has_value());
  EXPECT_NE(read(name(1)), nullptr);
  EXPECT_EQ(chunks(2)[0].resid_post, presence::present);
}

TEST_F(ForkTest, AReferenceByNameDoesNotPromiseWhatHasGone) {
  put({delete_conversation{1}});
  ASSERT_TRUE(store_->sweep(64 << 20).has_value());
  auto record = chunk(name(1), 16, 1);
  record.resid_post = record.embed = record.lens = presence::present;
  put({put_conversation{conversation(2)}, put_chunk{2, 0, record, {}, {}}});
  EXPECT_EQ(chunks(2)[0].resid_post, presence::evicted);
  EXPECT_EQ(chunks(2)[0].embed, presence::evicted);
  EXPECT_EQ(chunks(2)[0].final_norm, presence::never_asked);
  EXPECT_EQ(chunks(2)[0].lens, presence::on_demand);
}

TEST_F(ForkTest, LeavesItsSourceWhenItGoes) {
  put({fork_at(20)});
  put({delete_conversation{2}});
  ASSERT_TRUE(store_->sweep(64 << 20).has_value());
  EXPECT_THAT(chunks(1), SizeIs(3));
  EXPECT_EQ(statistics().values, 3u);
  EXPECT_EQ(statistics().references, 3u);
}

TEST_F(ForkTest, GoesItsOwnWay) {
  put({fork_at(20)});
  put({put_chunk{2, 1, chunk(name(9), 5, 9), {value(name(9), 5)}, nullptr}});
  EXPECT_EQ(chunks(2)[1].name, name(9));
  EXPECT_EQ(chunks(1)[1].name, name(2));
  EXPECT_EQ(references(name(2)), 1u);
  EXPECT_EQ(references(name(9)), 1u);
}

TEST_F(ForkTest, AtABoundaryOrTheEndCutsNothing) {
  put({fork_at(32, 2), fork_at(40, 3), fork_at(0, 4)});
  EXPECT_THAT(chunks(2), SizeIs(2));
  EXPECT_TRUE(chunks(2)[1].full);
  ASSERT_THAT(chunks(3), SizeIs(3));
  EXPECT_THAT(chunks(3)[2].tokens, SizeIs(8));
  EXPECT_THAT(chunks(4), SizeIs(0));
}

TEST_F(ForkTest, BeyondTheEndIsOutOfRangeAndChangesNothing) {
  const auto before = statistics();
  const auto report = commit({fork_at(41)});
  ASSERT_TRUE(report.failed[0]);
  EXPECT_EQ(report.failed[0]->code, error_code::out_of_range);
  EXPECT_EQ(statistics().references, before.references);
  EXPECT_EQ(statistics().conversations, 1u);
}

TEST_F(ForkTest, UnderATakenIdIsRefused) {
  const auto report = commit({fork_at(20, 1)});
  ASSERT_TRUE(report.failed[0]);
  EXPECT_EQ(report.failed[0]->code, error_code::already_exists);
  EXPECT_EQ(references(name(1)), 1u);
}

TEST_F(ForkTest, DifferentRootsShareNothing) {
  put({put_conversation{conversation(2)},
       put_chunk{2, 0, chunk(name(11), 16, 1), {value(name(11), 16)}, {}}});
  EXPECT_EQ(statistics().chunk_names, 4u);
  EXPECT_EQ(statistics().values, 4u);
}

}  // namespace
}  // namespace lamina

// Chunks, values, lens records and their counts.
#include "actors/store/store.hpp"

#include "tests/unit/store/store_fixture.hpp"

namespace lamina {
namespace {

using testing::SizeIs;

TEST_F(StoreTest, ReadsBackWhatWasCommitted) {
  const auto report = put(
      {put_conversation{conversation(1)},
       put_chunk{1, 0, chunk(name(1), 16), {value(name(1), 16)}, lens(0, 16)},
       put_chunk{1, 1, chunk(name(2), 3, 2), {value(name(2), 3)}, nullptr}});
  EXPECT_EQ(report.values_written, 2u);
  EXPECT_EQ(report.values_shared, 0u);
  const auto conversations = reader_->conversations().value();
  ASSERT_THAT(conversations, SizeIs(1));
  EXPECT_EQ(conversations[0].model, "demo");
  ASSERT_THAT(chunks(1), SizeIs(2));
  EXPECT_TRUE(chunks(1)[0].full);
  EXPECT_EQ(chunks(1)[1].tokens[2].id, 202u);
  EXPECT_EQ(read(name(1))->bytes, value(name(1), 16)->bytes);
  EXPECT_EQ(read(name(2))->rows, 3u);
  EXPECT_EQ(reader_->lens(name(1)).value()->complete, 0xffffu);
  EXPECT_EQ(reader_->lens(name(2)).value(), nullptr);
  EXPECT_EQ(read(name(3)), nullptr);
}

TEST_F(StoreTest, ConversationsComeInTheOrderOfTheirIds) {
  put({put_conversation{conversation(0x1ff)}, put_conversation{conversation(2)},
       put_conversation{conversation(0x100)}});
  const auto all = reader_->conversations().value();
  ASSERT_THAT(all, SizeIs(3));
  EXPECT_EQ(all[0].id, 2u);
  EXPECT_EQ(all[1].id, 0x100u);
  EXPECT_EQ(all[2].id, 0x1ffu);
}

TEST_F(StoreTest, ChunksOfNeighbouringConversationsDoNotMix) {
  put({put_conversation{conversation(1)}, put_conversation{conversation(2)}});
  for (std::uint32_t i = 0; i < 300; ++i)
    put({put_chunk{1, i, chunk(name(1), 16, i), {}, nullptr},
         put_chunk{2, i, chunk(name(2), 16, i), {}, nullptr}});
  const auto first = chunks(1);
  ASSERT_THAT(first, SizeIs(300));
  for (std::uint32_t i = 0; i < 300; ++i) {
    EXPECT_EQ(first[i].name, name(1));
    EXPECT_EQ(first[i].tokens[0].id, 100 * i);
  }
}

TEST_F(StoreTest, ChunksOfAMissingConversationAreNotFound) {
  EXPECT_EQ(reader_->chunks(9).error().code, error_code::not_found);
  const auto report =
      commit({put_chunk{9, 0, chunk(name(1), 16), {value(name(1), 16)}, {}}});
  ASSERT_TRUE(report.failed[0].has_value());
  EXPECT_EQ(report.failed[0]->code, error_code::not_found);
  EXPECT_EQ(statistics().values, 0u);
}

TEST_F(StoreTest, SharedPrefixIsStoredOnce) {
  put({put_conversation{conversation(1)}, put_conversation{conversation(2)},
       put_chunk{1, 0, chunk(name(1), 16), {value(name(1), 16)}, nullptr}});
  const auto report =
      put({put_chunk{2, 0, chunk(name(1), 16), {value(name(1), 16)}, nullptr}});
  EXPECT_EQ(report.values_written, 0u);
  EXPECT_EQ(report.values_shared, 1u);
  EXPECT_EQ(references(name(1)), 2u);
  const auto s = statistics();
  EXPECT_EQ(s.conversations, 2u);
  EXPECT_EQ(s.chunk_names, 1u);
  EXPECT_EQ(s.references, 2u);
  EXPECT_EQ(s.values, 1u);
  EXPECT_EQ(s.value_bytes, 1000u);
}

TEST_F(StoreTest, RewritingAChunkKeepsItsOneReference) {
  put({put_conversation{conversation(1)}});
  for (int i = 0; i < 3; ++i)
    put({put_chunk{1, 0, chunk(name(1), 16), {value(name(1), 16)}, nullptr}});
  EXPECT_EQ(references(name(1)), 1u);
  EXPECT_EQ(statistics().references, 1u);
  EXPECT_EQ(statistics().values, 1u);
}

TEST_F(StoreTest, FullChunkReplacesTheTailAndGivesUpItsName) {
  put({put_conversation{conversation(1)},
       put_chunk{1, 0, chunk(name(8), 5), {value(name(8), 5)}, nullptr}});
  put({put_chunk{1, 0, chunk(name(1), 16), {value(name(1), 16)}, nullptr}});
  EXPECT_EQ(references(name(8)), 0u);
  EXPECT_EQ(references(name(1)), 1u);
  EXPECT_EQ(statistics().tombstones, 1u);
  EXPECT_TRUE(chunks(1)[0].full);
}

TEST_F(StoreTest, LateTailsAreIgnored) {
  put({put_conversation{conversation(1)},
       put_chunk{1, 0, chunk(name(8), 5), {value(name(8), 5)}, nullptr},
       put_chunk{1, 0, chunk(name(8), 4), {value(name(8), 4)}, nullptr}});
  EXPECT_THAT(chunks(1)[0].tokens, SizeIs(5));
  EXPECT_EQ(read(name(8))->rows, 5u);
  put({put_chunk{1, 0, chunk(name(1), 16), {value(name(1), 16)}, nullptr},
       put_chunk{1, 0, chunk(name(8), 15), {value(name(8), 15)}, nullptr}});
  EXPECT_TRUE(chunks(1)[0].full);
  EXPECT_EQ(references(name(8)), 0u);
  EXPECT_EQ(read(name(8))->rows, 5u);
}

TEST_F(StoreTest, MoreRowsReplaceFewerNeverTheReverse) {
  put({put_conversation{conversation(1)},
       put_chunk{1, 0, chunk(name(8), 3), {value(name(8), 3, 300)}, nullptr}});
  put({put_chunk{1, 0, chunk(name(8), 7), {value(name(8), 7, 700)}, nullptr}});
  EXPECT_EQ(read(name(8))->bytes, value(name(8), 7, 700)->bytes);
  EXPECT_EQ(statistics().value_bytes, 700u);
  put({put_values{name(8), {value(name(8), 3, 300)}}});
  EXPECT_EQ(read(name(8))->rows, 7u);
  EXPECT_EQ(statistics().value_bytes, 700u);
}

TEST_F(StoreTest, RecomputedValueReplacesADifferentOneOfAsManyRows) {
  put({put_conversation{conversation(1)},
       put_chunk{1, 0, chunk(name(1), 16), {value(name(1), 16, 300)}, {}}});
  const auto report = put({put_values{name(1), {value(name(1), 16, 301)}}});
  EXPECT_EQ(report.values_written, 1u);
  EXPECT_THAT(read(name(1))->bytes, SizeIs(301));
  EXPECT_EQ(statistics().value_bytes, 301u);
  EXPECT_EQ(put({put_values{name(1), {value(name(1), 16, 301)}}}).values_shared,
            1u);
}

stored_value_ptr lossy(const digest& chunk_name, float relative_error,
                       std::size_t bytes) {
  auto v = std::make_shared<stored_value>(*value(chunk_name, 16, bytes));
  v->relative_error = relative_error;
  return v;
}

TEST_F(StoreTest, HigherFidelityReplacesLowerNeverTheReverse) {
  put({put_conversation{conversation(1)},
       put_chunk{1, 0, chunk(name(1), 16), {lossy(name(1), 0.07f, 300)}, {}}});
  EXPECT_NEAR(read(name(1))->relative_error, 0.07f, 1e-5f);
  put({put_values{name(1), {lossy(name(1), 0.14f, 200)}}});
  EXPECT_THAT(read(name(1))->bytes, SizeIs(300));
  const auto better = put(
      {put_chunk{1, 0, chunk(name(1), 16), {lossy(name(1), 0.005f, 600)}, {}}});
  EXPECT_EQ(better.values_written, 1u) << "also along the way of a turn";
  EXPECT_THAT(read(name(1))->bytes, SizeIs(600));
  put({put_values{name(1), {value(name(1), 16, 900)}}});
  EXPECT_EQ(read(name(1))->relative_error, 0);
  put({put_chunk{1, 0, chunk(name(1), 16), {lossy(name(1), 0.07f, 300)}, {}}});
  EXPECT_THAT(read(name(1))->bytes, SizeIs(900));
}

TEST_F(StoreTest, ALossyValueOfTheSameQualityIsWrittenOnce) {
  put({put_conversation{conversation(1)},
       put_chunk{1, 0, chunk(name(1), 16), {lossy(name(1), 0.07f, 300)}, {}}});
  const auto again = put(
      {put_chunk{1, 0, chunk(name(1), 16), {lossy(name(1), 0.07f, 300)}, {}}});
  EXPECT_EQ(again.values_shared, 1u);
  EXPECT_EQ(
      put({put_values{name(1), {lossy(name(1), 0.07f, 300)}}}).values_shared,
      1u);
}

TEST_F(StoreTest, ValuesOfAnUnknownNameAreNotStored) {
  const auto report = commit({put_values{name(1), {value(name(1), 16)}}});
  ASSERT_TRUE(report.failed[0].has_value());
  EXPECT_EQ(report.failed[0]->code, error_code::not_found);
  EXPECT_EQ(read(name(1)), nullptr);
}

TEST_F(StoreTest, EverySiteAndLayerHasItsOwnValue) {
  put({put_conversation{conversation(1)},
       put_chunk{1,
                 0,
                 chunk(name(1), 16),
                 {value(name(1), 16, 10, site::embed),
                  value(name(1), 16, 20, site::resid_post, 0),
                  value(name(1), 16, 30, site::resid_post, 256),
                  value(name(1), 16, 40, site::final_norm)},
                 nullptr}});
  EXPECT_THAT(read(name(1), site::embed)->bytes, SizeIs(10));
  EXPECT_THAT(read(name(1), site::resid_post, 256)->bytes, SizeIs(30));
  EXPECT_THAT(read(name(1), site::final_norm)->bytes, SizeIs(40));
  EXPECT_EQ(read(name(1), site::resid_post, 1), nullptr);
}

TEST_F(StoreTest, LensRecordsAreMerged) {
  put({put_conversation{conversation(1)},
       put_chunk{1, 0, chunk(name(1), 16), {}, lens(0, 4)}});
  put({put_lens{name(1), lens(2, 9, 1000)}});
  const auto block = reader_->lens(name(1)).value();
  EXPECT_EQ(block->rows, 9u);
  EXPECT_EQ(block->complete, 0x1ffu);
  EXPECT_EQ(block->at(3, 0).top_ids[0], 3u);     // kept
  EXPECT_EQ(block->at(8, 1).top_ids[0], 1008u);  // added
}

TEST_F(StoreTest, LensOfANameThatNobodyRefersToIsIgnored) {
  put({put_lens{name(1), lens(0, 4)}});
  EXPECT_EQ(reader_->lens(name(1)).value(), nullptr);
}

TEST_F(StoreTest, FailedOperationLeavesTheOthersOfItsBatch) {
  auto fork = conversation(5);
  fork.forked_at = 16;
  const auto report = commit(
      {put_conversation{conversation(1)}, fork_conversation{77, fork},
       put_chunk{1, 0, chunk(name(1), 17), {}, nullptr},
       put_chunk{1, 0, chunk(name(1), 16), {value(name(2), 16)}, nullptr},
       delete_conversation{78},
       put_chunk{1, 0, chunk(name(1), 16), {value(name(1), 16)}, nullptr}});
  ASSERT_THAT(report.failed, SizeIs(6));
  EXPECT_FALSE(report.failed[0]);
  EXPECT_EQ(report.failed[1]->code, error_code::not_found);
  EXPECT_EQ(report.failed[2]->code, error_code::invalid_argument);
  EXPECT_EQ(report.failed[3]->code, error_code::invalid_argument);
  EXPECT_EQ(report.failed[4]->code, error_code::not_found);
  EXPECT_FALSE(report.failed[5]);
  EXPECT_EQ(statistics().conversations, 1u);
  EXPECT_EQ(statistics().references, 1u);
  EXPECT_EQ(statistics().values, 1u);
}

TEST_F(StoreTest, AChunkBehindAGapIsRefused) {
  const auto report =
      commit({put_conversation{conversation(1)},
              put_chunk{1, 0, chunk(name(1), 16), {}, nullptr},
              put_chunk{1, 2, chunk(name(2), 16), {}, nullptr}});
  EXPECT_FALSE(report.failed[1]);
  ASSERT_TRUE(report.failed[2]);
  EXPECT_EQ(report.failed[2]->code, error_code::out_of_range);
  EXPECT_EQ(references(name(2)), 0u);
}

TEST_F(StoreTest, ACutLeavesNoStaleChunkBehindANewTail) {
  std::vector<write_op> ops{put_conversation{conversation(1)}};
  for (std::uint8_t i = 0; i < 4; ++i)
    ops.push_back(put_chunk{1, i, chunk(name(i + 1), 16), {}, nullptr});
  put(ops);
  put({cut_chunks{1, 2}, put_chunk{1, 2, chunk(name(8), 5), {}, nullptr}});
  EXPECT_THAT(chunks(1), SizeIs(3));
  EXPECT_EQ(references(name(3)), 0u);
  EXPECT_EQ(references(name(4)), 0u);
  EXPECT_EQ(statistics().tombstones, 2u);
  put({cut_chunks{9, 0}});
  EXPECT_THAT(chunks(1), SizeIs(3)) << "another's are left alone";
}

TEST_F(StoreTest, ReadingStopsAtAChunkThatIsNotFull) {
  put({put_conversation{conversation(1)},
       put_chunk{1, 0, chunk(name(1), 16), {}, nullptr},
       put_chunk{1, 1, chunk(name(8), 5), {}, nullptr},
       put_chunk{1, 2, chunk(name(2), 16), {}, nullptr}});
  EXPECT_THAT(chunks(1), SizeIs(2));
}

TEST_F(StoreTest, ReadersAreCounted) {
  EXPECT_EQ(statistics().readers, 1u);
  {
    const auto second = store_->reader();
    EXPECT_EQ(statistics().readers, 2u);
  }
  EXPECT_EQ(statistics().readers, 1u);
}

TEST_F(StoreTest, ARecordOfAnEarlierTurnIsLateNews) {
  auto later = conversation(1);
  later.turns = 2;
  later.positions = 40;
  auto earlier = later;
  earlier.turns = 1;
  earlier.positions = 20;
  put({put_conversation{later}, put_conversation{earlier}});
  const auto all = reader_->conversations().value();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].turns, 2u);
  EXPECT_EQ(all[0].positions, 40u);
}

}  // namespace
}  // namespace lamina

// What goes when there is too much, in which order, and what never goes.
#include "tests/unit/store/store_fixture.hpp"

namespace lamina {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::Not;
using testing::SizeIs;

class EvictionTest : public StoreTest {
 protected:
  // Conversation `id`, used at `at`, with chunks of the given names of 20 KB.
  void talk(conversation_id id, std::int64_t at,
            const std::vector<std::uint8_t>& names, bool pinned = false,
            turn_state state = turn_state::complete) {
    auto record = conversation(id);
    record.accessed_unix_ms = at;
    record.pinned = pinned;
    record.state = state;
    std::vector<write_op> ops{put_conversation{record}};
    for (std::uint32_t i = 0; i < names.size(); ++i) {
      const digest n = name(names[i]);
      auto c = chunk(n, 16, names[i]);
      c.resid_post = c.embed = c.lens = presence::present;
      ops.push_back(
          put_chunk{id,
                    i,
                    c,
                    {value(n, 16, 16'000), value(n, 16, 3'000, site::embed)},
                    lens(0, 16)});
    }
    put(ops);
  }
  bool has_values(std::uint8_t n) {
    const bool has = read(name(n)) != nullptr;
    EXPECT_EQ(has, read(name(n), site::embed) != nullptr);
    return has;
  }
  // One after the other until nothing more can go.
  eviction_report evict(eviction_request request) {
    eviction_report all;
    for (int i = 0; i < 10'000; ++i) {
      auto report = store_->evict(request);
      EXPECT_TRUE(report.has_value());
      const auto& r = report.value();
      EXPECT_LE(r.bytes_removed,
                std::max<std::uint64_t>(request.bytes_max, 16'023));
      all.values_removed += r.values_removed;
      all.bytes_removed += r.bytes_removed;
      all.times_corrected += r.times_corrected;
      all.names.insert(all.names.end(), r.names.begin(), r.names.end());
      all.conversations_removed.insert(all.conversations_removed.end(),
                                       r.conversations_removed.begin(),
                                       r.conversations_removed.end());
      all.cache_full = r.cache_full;
      if (!r.more) return all;
    }
    ADD_FAILURE() << "eviction never ends";
    return all;
  }
  static eviction_request down_to(std::uint64_t bytes) {
    eviction_request r;
    r.now_unix_ms = 1'000'000;
    r.values.used_bytes_max = bytes;
    return r;
  }
  static eviction_request unused_since(std::int64_t at) {
    eviction_request r;
    r.now_unix_ms = 1'000'000;
    r.values.unused_since_unix_ms = at;
    return r;
  }
  std::uint64_t used() const { return statistics().file.used_bytes(); }
  std::vector<presence> presence_of(conversation_id id) {
    std::vector<presence> all;
    for (const auto& c : chunks(id))
      all.push_back(c.resid_post);
    return all;
  }
};

TEST_F(EvictionTest, LeastRecentlyUsedConversationGoesFirst) {
  talk(1, 300, {1, 2});
  talk(2, 100, {3, 4});
  talk(3, 200, {5, 6});
  const auto report = evict(down_to(used() - 30'000));
  EXPECT_THAT(report.names, ElementsAre(name(3), name(4)));
  EXPECT_EQ(report.values_removed, 4u);
  EXPECT_FALSE(report.cache_full);
  EXPECT_FALSE(has_values(3));
  EXPECT_FALSE(has_values(4));
  EXPECT_TRUE(has_values(5));
  EXPECT_TRUE(has_values(1));
}

TEST_F(EvictionTest, StopsAsSoonAsThereIsRoom) {
  talk(1, 100, {1, 2, 3, 4, 5, 6});
  const auto target = used() - 18'000;
  EXPECT_THAT(evict(down_to(target)).names, SizeIs(1));
  EXPECT_LE(used(), target);
  EXPECT_THAT(evict(down_to(target)).names, SizeIs(0));
}

TEST_F(EvictionTest, TokensAndLensRecordsStay) {
  talk(1, 100, {1});
  evict(down_to(0));
  EXPECT_FALSE(has_values(1));
  EXPECT_THAT(chunks(1)[0].tokens, SizeIs(16));
  EXPECT_EQ(reader_->lens(name(1)).value()->complete, 0xffffu);
}

TEST_F(EvictionTest, LedgerSaysEvictedForEveryConversationOfTheChunk) {
  talk(1, 100, {1, 2});
  talk(2, 150, {1});
  evict(down_to(0));
  EXPECT_THAT(presence_of(1),
              ElementsAre(presence::evicted, presence::evicted));
  EXPECT_THAT(presence_of(2), ElementsAre(presence::evicted));
  EXPECT_EQ(chunks(1)[0].lens, presence::present);
  EXPECT_EQ(chunks(1)[0].final_norm, presence::never_asked);
  reopen();
  EXPECT_THAT(presence_of(2), ElementsAre(presence::evicted));
}

TEST_F(EvictionTest, LateNewsOfAChunkDoNotHideThatItWasEvicted) {
  talk(1, 100, {1});
  evict(down_to(0));
  auto c = chunk(name(1), 16, 1);
  c.resid_post = presence::present;
  put({put_chunk{1, 0, c, {}, nullptr}});
  EXPECT_THAT(presence_of(1), ElementsAre(presence::evicted));
}

TEST_F(EvictionTest, ValuesThatComeBackArePresentAndCanBeEvictedAgain) {
  talk(1, 100, {1, 2});
  talk(2, 150, {1});
  evict(down_to(0));
  put({put_values{name(1), {value(name(1), 16, 16'000)}}});
  EXPECT_THAT(presence_of(2), ElementsAre(presence::present));
  EXPECT_EQ(chunks(2)[0].embed, presence::evicted);
  EXPECT_THAT(presence_of(1),
              ElementsAre(presence::present, presence::evicted));
  EXPECT_THAT(evict(down_to(0)).names, ElementsAre(name(1)));
}

TEST_F(EvictionTest, PinnedAndRunningConversationsKeepEverything) {
  talk(1, 100, {1, 2}, true);
  talk(2, 110, {3, 4}, false, turn_state::running);
  talk(3, 120, {5, 1});
  const auto report = evict(down_to(0));
  EXPECT_THAT(report.names, ElementsAre(name(5)));
  EXPECT_TRUE(report.cache_full) << "only what must stay is left";
  EXPECT_TRUE(has_values(1)) << "3 was not pinned, but shares it with 1";
  EXPECT_TRUE(has_values(3));
}

TEST_F(EvictionTest, UnpinnedConversationGoesAfterAll) {
  talk(1, 100, {1, 2}, true);
  EXPECT_TRUE(evict(down_to(0)).cache_full);
  auto record = conversation(1);
  record.accessed_unix_ms = 100;
  put({put_conversation{record}});
  EXPECT_THAT(evict(down_to(0)).names, SizeIs(2));
}

TEST_F(EvictionTest, UnpinningFreesWhatALaterConversationSharesToo) {
  talk(1, 100, {1}, true);
  talk(2, 200, {1});
  EXPECT_THAT(evict(down_to(0)).names, SizeIs(0));
  auto record = conversation(1);
  record.accessed_unix_ms = 100;
  put({put_conversation{record}});
  EXPECT_THAT(evict(down_to(0)).names, ElementsAre(name(1)));
}

TEST_F(EvictionTest, SharedChunkGoesWithItsMostRecentUse) {
  talk(1, 100, {1, 2});
  talk(2, 200, {1, 3});
  EXPECT_THAT(evict(unused_since(150)).names, ElementsAre(name(2)));
  EXPECT_TRUE(has_values(1));
  EXPECT_THAT(evict(unused_since(250)).names,
              testing::UnorderedElementsAre(name(1), name(3)));
}

TEST_F(EvictionTest, TheEarlierConversationGivesWhenTheLaterIsDeleted) {
  talk(1, 100, {1});
  talk(2, 200, {1});
  EXPECT_THAT(evict(unused_since(150)).names, SizeIs(0));
  put({delete_conversation{2}});
  EXPECT_THAT(evict(unused_since(150)).names, ElementsAre(name(1)));
}

TEST_F(EvictionTest, TheLaterOneIsAskedAgainWhenTheEarlierBringsValuesBack) {
  talk(1, 100, {1});
  talk(2, 200, {1});
  evict(down_to(0));
  talk(1, 100, {1});
  EXPECT_TRUE(has_values(1));
  EXPECT_THAT(evict(down_to(0)).names, ElementsAre(name(1)));
}

TEST_F(EvictionTest, TouchedConversationIsSparedAndItsTimeIsStored) {
  talk(1, 100, {1});
  talk(2, 200, {2});
  put({touch_conversations{{{1, 300}, {2, 150}, {77, 400}}}});
  EXPECT_THAT(evict(unused_since(250)).names, ElementsAre(name(2)));
  reopen();
  EXPECT_EQ(reader_->conversations().value()[0].accessed_unix_ms, 300);
  EXPECT_EQ(reader_->conversations().value()[1].accessed_unix_ms, 200);
}

TEST_F(EvictionTest, DefaultLimitsEvictNothing) {
  talk(1, 100, {1});
  EXPECT_THAT(evict({}).names, SizeIs(0));
  EXPECT_TRUE(has_values(1));
}

TEST_F(EvictionTest, SlicesKeepWithinTheirBoundsAndGoOn) {
  std::vector<std::uint8_t> names(60);
  for (std::uint8_t i = 0; i < 60; ++i)
    names[i] = i;
  talk(1, 100, names);
  auto request = down_to(0);
  request.bytes_max = 50'000;
  request.chunks_examined_max = 7;
  EXPECT_THAT(evict(request).values_removed, 120u);
  EXPECT_EQ(statistics().values, 0u);
  EXPECT_EQ(store_->usage().value().held.value_bytes, 0u);
}

TEST_F(EvictionTest, WhatNobodyRefersToGoesFirst) {
  talk(1, 100, {1, 2});
  talk(2, 200, {3, 4});
  put({delete_conversation{2}});
  EXPECT_THAT(evict(down_to(used() - 30'000)).names, SizeIs(0));
  EXPECT_TRUE(has_values(1));
  EXPECT_FALSE(has_values(3));
}

// ---- the second limit ------------------------------------------------------

TEST_F(EvictionTest, RecordsGoOnlyUnderTheirOwnLimitOldestFirst) {
  talk(1, 300, {1});
  talk(2, 100, {2}, true);
  talk(3, 200, {3});
  auto request = down_to(0);
  request.records.used_bytes_max = used() - 30'000;
  const auto report = evict(request);
  EXPECT_THAT(report.conversations_removed, SizeIs(0));
  EXPECT_THAT(report.names, SizeIs(2));

  request.records.unused_since_unix_ms = 250;
  EXPECT_THAT(evict(request).conversations_removed, ElementsAre(3));
  EXPECT_EQ(reader_->lens(name(3)).value(), nullptr);
  EXPECT_THAT(reader_->conversations().value(), SizeIs(2));
  EXPECT_EQ(statistics().tombstones, 0u);
}

TEST_F(EvictionTest, RecordsThatAreSharedStay) {
  talk(1, 100, {1, 2});
  talk(2, 300, {1});
  eviction_request request;
  request.now_unix_ms = 1000;
  request.records.unused_since_unix_ms = 200;
  EXPECT_THAT(evict(request).conversations_removed, ElementsAre(1));
  EXPECT_TRUE(has_values(1));
  EXPECT_FALSE(has_values(2));
}

// ---- the clock -------------------------------------------------------------

TEST_F(EvictionTest, ClockThatGoesBackEvictsNothing) {
  talk(1, 500'000, {1});
  talk(2, 600'000, {2});
  auto request = unused_since(-6'000);  // it is 1000 now, and TTL is 7000
  request.now_unix_ms = 1'000;
  EXPECT_THAT(evict(request).names, SizeIs(0));
}

TEST_F(EvictionTest, TimesFromTheFutureGrowOldFromNowOn) {
  talk(1, 500'000, {1});
  talk(2, 900, {2});
  auto request = unused_since(-6'000);
  request.now_unix_ms = 1'000;
  EXPECT_EQ(evict(request).times_corrected, 1u);
  EXPECT_EQ(reader_->conversations().value()[0].accessed_unix_ms, 1'000);
  EXPECT_EQ(evict(request).times_corrected, 0u);
  request = unused_since(1'001);
  request.now_unix_ms = 8'001;
  EXPECT_THAT(evict(request).names, ElementsAre(name(2), name(1)));
}

TEST_F(EvictionTest, BudgetIsKeptThroughTenTimesItsBytes) {
  const std::uint64_t budget = 4'000'000;
  auto request = down_to(budget);
  for (conversation_id id = 1; id <= 420; ++id) {
    std::vector<std::uint8_t> names;
    for (int i = 0; i < 5; ++i)
      names.push_back(static_cast<std::uint8_t>(id * 5 + i));
    talk(id, static_cast<std::int64_t>(1000 + id), names, id == 1);
    evict(request);
    ASSERT_LE(used(), budget);
    if (id % 7 == 0) commit({delete_conversation{id - 3}});
    // Names come round again after 51 conversations.
    if (id > 51) commit({delete_conversation{id - 50}});
    ASSERT_LT(statistics().file_bytes, 2 * budget);
  }
  EXPECT_GT(statistics().values, 60u);
  EXPECT_EQ(store_->repair(100'000).value().repaired(), 0u);
}

TEST_F(EvictionTest, FewerRowsThanAReferrerHasLeaveTheChunkEvicted) {
  talk(1, 10, {1});
  evict(down_to(0));
  EXPECT_EQ(chunks(1)[0].resid_post, presence::evicted);
  put({put_values{name(1), {value(name(1), 9)}}});
  EXPECT_EQ(chunks(1)[0].resid_post, presence::evicted);
  put({put_values{name(1), {value(name(1), 16)}}});
  EXPECT_EQ(chunks(1)[0].resid_post, presence::present);
}

}  // namespace
}  // namespace lamina

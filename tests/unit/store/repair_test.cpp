// Records that disagree are found, put right and counted; a sound store has
// none.
#include "tests/unit/store/lmdb_access.hpp"
#include "tests/unit/store/store_fixture.hpp"

namespace lamina {
namespace {

using testing::SizeIs;

class RepairTest : public StoreTest {
 protected:
  RepairTest() {
    put({put_conversation{conversation(1)}, put_conversation{conversation(2)},
         put_chunk{1, 0, chunk(name(1), 16), {value(name(1), 16)}, lens(0, 4)},
         put_chunk{1, 1, chunk(name(2), 16), {value(name(2), 16)}, {}},
         put_chunk{2, 0, chunk(name(1), 16), {}, {}}});
  }

  static lmdb_access::bytes key_of(std::uint8_t n,
                                   std::vector<std::uint8_t> rest = {}) {
    lmdb_access::bytes key(16, static_cast<std::byte>(n));
    for (const std::uint8_t b : rest)
      key.push_back(static_cast<std::byte>(b));
    return key;
  }
  static lmdb_access::bytes chunk_key(std::uint8_t id, std::uint8_t index) {
    lmdb_access::bytes key(12);
    key[7] = static_cast<std::byte>(id);
    key[11] = static_cast<std::byte>(index);
    return key;
  }
  // Slices of one record, so that every place is one to go on from.
  repair_report repair(std::uint64_t records = 1) {
    repair_report all;
    for (int i = 0; i < 1000; ++i) {
      const auto r = store_->repair(records).value();
      all.orphans += r.orphans;
      all.counts_wrong += r.counts_wrong;
      all.references_lost += r.references_lost;
      all.references_stale += r.references_stale;
      all.chunks_stray += r.chunks_stray;
      all.access_wrong += r.access_wrong;
      if (!r.more) return all;
    }
    ADD_FAILURE() << "repair never ends";
    return all;
  }
  void expect_sound() {
    EXPECT_EQ(repair().repaired(), 0u);
    EXPECT_EQ(repair(1000).repaired(), 0u);
  }
};

TEST_F(RepairTest, SoundStoreNeedsNone) {
  expect_sound();
  put({delete_conversation{1}});
  expect_sound();
  ASSERT_TRUE(store_->sweep(1 << 20).has_value());
  expect_sound();
}

TEST_F(RepairTest, ValuesOfNoOneAreFoundAndSwept) {
  close();
  lmdb_access(options().directory)
      .put("values", key_of(50, {2, 0, 0}), lmdb_access::bytes(100));
  open();
  EXPECT_EQ(repair().orphans, 1u);
  EXPECT_NE(read(name(50)), nullptr) << "freeing is the sweep's";
  EXPECT_EQ(store_->sweep(1 << 20).value().names_removed, 1u);
  EXPECT_EQ(read(name(50)), nullptr);
  expect_sound();
}

TEST_F(RepairTest, LensRecordsOfNoOneAreFoundAndSwept) {
  close();
  lmdb_access(options().directory)
      .put("lens", key_of(50), lmdb_access::bytes(100));
  open();
  EXPECT_EQ(repair().orphans, 1u);
  EXPECT_EQ(store_->sweep(1 << 20).value().bytes_removed, 116u);
  expect_sound();
}

TEST_F(RepairTest, WrongCountIsCountedAnew) {
  close();
  lmdb_access(options().directory)
      .put("names", key_of(1), lmdb_access::bytes(24, std::byte{7}));
  open();
  EXPECT_EQ(repair().counts_wrong, 1u);
  EXPECT_EQ(references(name(1)), 2u);
  put({delete_conversation{1}, delete_conversation{2}});
  ASSERT_TRUE(store_->sweep(1 << 20).has_value());
  EXPECT_EQ(statistics().values, 0u);
  expect_sound();
}

TEST_F(RepairTest, TombstoneOfANameInUseGoes) {
  close();
  lmdb_access(options().directory).put("tombstones", key_of(2), {});
  open();
  EXPECT_EQ(repair().counts_wrong, 1u);
  ASSERT_TRUE(store_->sweep(1 << 20).has_value());
  EXPECT_NE(read(name(2)), nullptr);
  expect_sound();
}

TEST_F(RepairTest, ReferenceWithoutAChunkGoes) {
  close();
  lmdb_access(options().directory)
      .put("referrers", key_of(2, {0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0}), {});
  open();
  EXPECT_EQ(repair().references_stale, 1u);
  EXPECT_EQ(statistics().references, 3u);
  expect_sound();
}

TEST_F(RepairTest, ChunkWithoutAReferenceGetsItBack) {
  close();
  lmdb_access(options().directory)
      .remove("referrers", key_of(2, {0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1}));
  open();
  const auto report = repair();
  EXPECT_EQ(report.references_lost, 1u);
  EXPECT_EQ(references(name(2)), 1u);
  ASSERT_TRUE(store_->sweep(1 << 20).has_value());
  EXPECT_NE(read(name(2)), nullptr);
  expect_sound();
}

TEST_F(RepairTest, ChunkOfNoConversationGoesWithItsReference) {
  close();
  lmdb_access(options().directory).remove("conversations", [] {
    lmdb_access::bytes key(8);
    key[7] = std::byte{2};
    return key;
  }());
  open();
  const auto report = repair();
  EXPECT_EQ(report.chunks_stray, 1u);
  EXPECT_EQ(report.access_wrong, 1u);
  EXPECT_EQ(references(name(1)), 1u);
  expect_sound();
}

TEST_F(RepairTest, ReferenceOfADamagedChunkIsKept) {
  close();
  lmdb_access(options().directory)
      .put("chunks", chunk_key(1, 1), lmdb_access::bytes(40));
  open();
  expect_sound();
  EXPECT_EQ(references(name(2)), 1u);
}

TEST_F(RepairTest, ReferenceOfADamagedChunkGoesWithItsConversation) {
  close();
  lmdb_access(options().directory)
      .put("chunks", chunk_key(1, 1), lmdb_access::bytes(40));
  open();
  put({delete_conversation{1}});
  EXPECT_EQ(references(name(2)), 1u);
  EXPECT_EQ(repair().references_stale, 1u);
  ASSERT_TRUE(store_->sweep(1 << 20).has_value());
  EXPECT_EQ(read(name(2)), nullptr);
}

TEST_F(RepairTest, MissingAccessEntryIsPutBack) {
  put({touch_conversations{{{1, 500}}}});
  close();
  {
    lmdb_access inside(options().directory);
    const auto keys = inside.keys("access").value();
    ASSERT_THAT(keys, SizeIs(2));
    inside.remove("access", keys[1]);
  }
  open();
  EXPECT_EQ(repair().access_wrong, 1u);
  expect_sound();
  eviction_request request;
  request.values.unused_since_unix_ms = 600;
  request.now_unix_ms = 1000;
  EXPECT_THAT(store_->evict(request).value().names, SizeIs(2));
}

}  // namespace
}  // namespace lamina

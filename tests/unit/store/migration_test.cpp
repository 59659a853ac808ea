// A store that version 1 of the format wrote (tests/goldens/store_v1) reads
// back the same after it became one of version 2.
#include "actors/store/page_check.hpp"
#include "tests/unit/store/lmdb_access.hpp"
#include "tests/unit/store/store_fixture.hpp"

namespace lamina {
namespace {

using testing::SizeIs;

class MigrationTest : public StoreTest {
 protected:
  MigrationTest() {
    close();
    std::filesystem::copy_file(
        std::filesystem::path(LAMINA_SOURCE_DIR) /
            "tests/goldens/store_v1/data.mdb",
        options().directory / "data.mdb",
        std::filesystem::copy_options::overwrite_existing);
    open();
  }
};

TEST_F(MigrationTest, EverythingReadsBackAndIsCounted) {
  ASSERT_TRUE(store_->opened().migrated_from);
  EXPECT_EQ(*store_->opened().migrated_from, 1u);
  const auto all = reader_->conversations().value();
  ASSERT_THAT(all, SizeIs(2));
  EXPECT_EQ(all[0].preview, "first");
  EXPECT_EQ(all[1].state, turn_state::interrupted);
  EXPECT_THAT(chunks(1), SizeIs(2));
  EXPECT_EQ(chunks(1)[1].tokens[4].id, 204u);
  EXPECT_EQ(read(name(1))->bytes, value(name(1), 16)->bytes);
  EXPECT_EQ(read(name(2))->rows, 5u);
  EXPECT_EQ(reader_->lens(name(2)).value()->complete, 0b11111u);
  EXPECT_EQ(references(name(1)), 2u);
  EXPECT_EQ(references(name(2)), 1u);
}

TEST_F(MigrationTest, WhatWasWaitingForASweepStillIs) {
  EXPECT_EQ(statistics().tombstones, 1u);
  EXPECT_NE(read(name(3)), nullptr);
  EXPECT_EQ(store_->sweep(1 << 20).value().names_removed, 1u);
  EXPECT_EQ(read(name(3)), nullptr);
}

TEST_F(MigrationTest, AccountsAddUpAndNothingNeedsRepair) {
  const auto s = statistics();
  EXPECT_EQ(s.references, 3u);
  EXPECT_EQ(s.value_bytes, 1000u + 300 + 5000);
  EXPECT_EQ(store_->repair(1000).value().repaired(), 0u);
  const auto all = store_->usage().value();
  EXPECT_EQ(all.held.value_bytes + all.waiting.value_bytes,
            s.tables[2].payload_bytes);
  close();
  const auto pages = check_pages(options().directory / "data.mdb").value();
  for (std::size_t i = 0; i < table_names.size(); ++i)
    EXPECT_EQ(pages.databases.at(std::string(table_names[i])).payload_bytes,
              s.tables[i].payload_bytes)
        << table_names[i];
  EXPECT_FALSE(lmdb_access(options().directory).keys("references"));
}

TEST_F(MigrationTest, EvictionKnowsTheOrder) {
  eviction_request request;
  request.now_unix_ms = 3000;
  request.values.unused_since_unix_ms = 1500;
  EXPECT_THAT(store_->evict(request).value().names, SizeIs(0))
      << "2 is older, but shares its chunk with 1";
  request.values.unused_since_unix_ms = 2500;
  EXPECT_THAT(store_->evict(request).value().names, SizeIs(2));
}

TEST_F(MigrationTest, HappensOnce) {
  reopen();
  EXPECT_FALSE(store_->opened().migrated_from);
  EXPECT_THAT(chunks(1), SizeIs(2));
}

}  // namespace
}  // namespace lamina

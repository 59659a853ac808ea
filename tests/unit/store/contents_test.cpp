// What the ledger and the accounts of one conversation read: what lies under
// names, and who shares it.
#include "tests/unit/store/store_fixture.hpp"

namespace lamina {
namespace {

class ContentsTest : public StoreTest {
 protected:
  chunk_contents contents(const digest& chunk_name,
                          std::size_t head_bytes = 16) {
    return reader_->contents({&chunk_name, 1}, head_bytes).value().front();
  }
  usage usage_of(conversation_id id) { return store_->usage_of(id).value(); }
};

TEST_F(ContentsTest, ListsValuesBySiteAndLayerWithTheirFirstBytes) {
  put({put_conversation{conversation(1)},
       put_chunk{1,
                 0,
                 chunk(name(1), 16),
                 {value(name(1), 16, 700, site::resid_post, 8),
                  value(name(1), 16, 900, site::resid_post, 0),
                  value(name(1), 12, 9000, site::embed)},
                 nullptr},
       put_chunk{1, 1, chunk(name(2), 16), {value(name(2), 16)}, nullptr}});
  const auto found = contents(name(1));
  ASSERT_EQ(found.values.size(), 3u);
  EXPECT_EQ(found.values[0].key, (value_key{name(1), site::embed, 0}));
  EXPECT_EQ(found.values[0].rows, 12u);
  EXPECT_EQ(found.values[0].stored_bytes, 9000u);
  EXPECT_EQ(found.values[1].key, (value_key{name(1), site::resid_post, 0}));
  EXPECT_EQ(found.values[2].key, (value_key{name(1), site::resid_post, 8}));
  const auto whole = read(name(1), site::resid_post, 8);
  EXPECT_TRUE(std::ranges::equal(found.values[2].first_bytes,
                                 std::span(whole->bytes).first(16)));
  EXPECT_EQ(found.references, 1u);
  EXPECT_EQ(found.find({name(1), site::final_norm, 0}), nullptr);
  EXPECT_TRUE(contents(name(1), 0).values.empty());
  EXPECT_EQ(contents(name(9)).references, 0u);
}

TEST_F(ContentsTest, SaysWhatWasEvicted) {
  put({put_conversation{conversation(1)},
       put_chunk{1, 0, chunk(name(1), 16), {value(name(1), 16)}, nullptr}});
  EXPECT_FALSE(contents(name(1)).was_evicted(site::resid_post));
  eviction_request all;
  all.values.used_bytes_max = 0;
  while (store_->evict(all).value().more)
    continue;
  EXPECT_TRUE(contents(name(1)).was_evicted(site::resid_post));
  EXPECT_FALSE(contents(name(1)).was_evicted(site::embed));
  EXPECT_TRUE(contents(name(1)).values.empty());
}

TEST_F(ContentsTest, OneConversationsUsageIsItsPartOfTheReport) {
  put({put_conversation{conversation(1)},
       put_chunk{1, 0, chunk(name(1), 16), {value(name(1), 16)}, lens(0, 16)},
       put_chunk{1, 1, chunk(name(2), 16), {value(name(2), 16)}, nullptr},
       put_conversation{conversation(2)},
       put_chunk{2, 0, chunk(name(1), 16), {}, nullptr},
       put_chunk{2, 1, chunk(name(3), 7), {value(name(3), 7)}, nullptr}});
  const auto report = store_->usage().value();
  ASSERT_EQ(report.conversations.size(), 2u);
  for (const auto& all : report.conversations) {
    const auto one = usage_of(all.id);
    EXPECT_EQ(one.unique.value_bytes, all.used.unique.value_bytes);
    EXPECT_EQ(one.unique.lens_bytes, all.used.unique.lens_bytes);
    EXPECT_EQ(one.shared.value_bytes, all.used.shared.value_bytes);
    EXPECT_EQ(one.shared.lens_bytes, all.used.shared.lens_bytes);
    EXPECT_EQ(one.record_bytes, all.used.record_bytes);
    EXPECT_EQ(one.chunks, all.used.chunks);
    EXPECT_GT(one.shared.value_bytes, 0u);
    EXPECT_GT(one.unique.value_bytes, 0u);
  }
  EXPECT_EQ(store_->usage_of(3).error().code, error_code::not_found);
}

}  // namespace
}  // namespace lamina

// What the engine does when memory runs out.
#include "tests/unit/model/fixture.hpp"
#include "tests/unit/model/scarce_memory.hpp"

namespace lamina {
namespace {

using namespace test;

class OutOfMemory : public ::testing::Test {
 protected:
  ~OutOfMemory() override { refuse(0); }

  // The next `times` pages of keys and values cannot be had.
  static void refuse(int times) { refuse_allocations(kv_page_bytes, times); }

  static sequence_request turn(std::uint64_t conversation) {
    sequence_request r;
    r.conversation = conversation;
    r.tokens = goldens("p1").tokens("input_ids");
    r.max_new_tokens = 8;
    r.capture = false;
    return r;
  }

  // The golden llama's; nothing else in a step is as large.
  static constexpr std::size_t kv_page_bytes = 2 * 2 * 2 * 64 * 16 * 4;

  model_ptr model_ = golden_model();
  std::vector<token_id> answer_ = [] {
    auto ids = goldens("p1").tokens("greedy");
    ids.resize(8);
    return ids;
  }();
};

TEST_F(OutOfMemory, TheNewestSequenceFailsAndTheOthersGoOn) {
  const auto e = engine::create(model_, {});
  const auto older = e->add(turn(1)).value();
  const auto newer = e->add(turn(2)).value();
  refuse(1);
  outcomes all;
  run(*e, all);
  ASSERT_TRUE(all[newer].failed);
  EXPECT_EQ(all[newer].failed->code, error_code::out_of_memory);
  EXPECT_FALSE(all[newer].finished);
  EXPECT_FALSE(all[older].failed);
  EXPECT_EQ(all[older].tokens, answer_);
  EXPECT_EQ(e->stats().sequences, 0u);
  EXPECT_EQ(e->stats().idle_caches, 1u) << "a failed turn leaves no cache";
}

TEST_F(OutOfMemory, IdleCachesGoFirst) {
  const auto e = engine::create(model_, {});
  run_one(*e, turn(1));
  ASSERT_EQ(e->stats().idle_caches, 1u);
  const auto request = turn(2);
  refuse(1);
  const auto second = run_one(*e, request);
  EXPECT_FALSE(second.failed);
  EXPECT_EQ(second.tokens, answer_);
  EXPECT_EQ(e->stats().idle_caches, 1u) << "the second's only";
}

}  // namespace
}  // namespace lamina

#include "client/cpp/activation_array.hpp"

#include <gtest/gtest.h>

namespace lamina {
namespace {

constexpr std::uint8_t float32 = 1;

// Each row of a part holds one byte pattern, so that its place shows.
class Assembler : public testing::Test {
 protected:
  static wire::ActivationsT part(position_t begin, position_t end,
                                 std::vector<std::uint16_t> layers) {
    wire::ActivationsT made;
    made.conversation = "0000000000001";
    made.position_begin = begin;
    made.position_end = end;
    made.width = 1;
    made.dtype = float32;
    made.source = "memory";
    for (const auto layer : layers) {
      auto slot = std::make_unique<wire::ActivationSlotT>();
      slot->site = 2;
      slot->layer = layer;
      made.slots.push_back(std::move(slot));
    }
    return made;
  }

  // [slot][position]: layer * 16 + position in every byte.
  static std::vector<std::byte> payload(const wire::ActivationsT& part) {
    std::vector<std::byte> bytes;
    for (const auto& slot : part.slots)
      for (auto p = part.position_begin; p < part.position_end; ++p)
        bytes.insert(bytes.end(), 4,
                     static_cast<std::byte>(slot->layer * 16 + p));
    return bytes;
  }

  result<void> add(const wire::ActivationsT& part) {
    return assembler_.add(part, payload(part));
  }

  static std::string rows(const activation_array& array) {
    std::string text;
    for (std::size_t i = 0; i < array.values.size(); i += 4)
      text += std::to_string(std::to_integer<int>(array.values[i])) + " ";
    return text;
  }

  activation_assembler assembler_;
};

TEST_F(Assembler, JoinsPartsCutByPositions) {
  ASSERT_TRUE(add(part(0, 2, {0, 1})));
  ASSERT_TRUE(add(part(2, 3, {0, 1})));
  const auto array = assembler_.finish().value();
  EXPECT_EQ(rows(array), "0 1 2 16 17 18 ");
  EXPECT_EQ(array.position_end, 3u);
  EXPECT_EQ(array.source, "memory");
  EXPECT_EQ(name_of(array.slots[1]), "resid_post.1");
  EXPECT_EQ(std::to_integer<int>(array.values_of(1)[0]), 16);
}

TEST_F(Assembler, JoinsPartsCutBySlotsInAnyOrder) {
  ASSERT_TRUE(add(part(2, 4, {1})));
  ASSERT_TRUE(add(part(0, 2, {0})));
  ASSERT_TRUE(add(part(2, 4, {0})));
  ASSERT_TRUE(add(part(0, 2, {1})));
  EXPECT_EQ(rows(assembler_.finish().value()), "16 17 18 19 0 1 2 3 ");
}

TEST_F(Assembler, SourcesThatDifferAreMixedAndExactnessIsOfAll) {
  auto second = part(1, 2, {0});
  second.source = "disk";
  second.exact = false;
  ASSERT_TRUE(add(part(0, 1, {0})));
  ASSERT_TRUE(add(second));
  const auto array = assembler_.finish().value();
  EXPECT_EQ(array.source, "mixed");
  EXPECT_FALSE(array.exact);
}

TEST_F(Assembler, AGapIsAnErrorThatNamesIt) {
  ASSERT_TRUE(add(part(0, 2, {0, 1})));
  ASSERT_TRUE(add(part(2, 3, {0})));
  const auto array = assembler_.finish();
  ASSERT_FALSE(array);
  EXPECT_NE(array.error().context.find("position 2 of resid_post.1"),
            std::string::npos);
}

TEST_F(Assembler, RowsThatComeTwiceAreAnError) {
  ASSERT_TRUE(add(part(0, 2, {0})));
  ASSERT_TRUE(add(part(1, 3, {0})));
  EXPECT_FALSE(assembler_.finish());
}

TEST_F(Assembler, NothingIsAnError) {
  EXPECT_FALSE(assembler_.finish());
}

TEST_F(Assembler, RefusesPayloadsOfOtherSizeThanAnnounced) {
  auto lying = part(0, 2, {0});
  auto bytes = payload(lying);
  bytes.pop_back();
  EXPECT_FALSE(assembler_.add(lying, bytes));
  lying.width = 0x80000000;
  lying.position_end = 0xffffffff;
  EXPECT_FALSE(assembler_.add(lying, payload(part(0, 2, {0}))));
}

TEST_F(Assembler, RefusesWhatMakesNoSense) {
  auto empty = part(2, 2, {0});
  EXPECT_FALSE(add(empty));
  EXPECT_FALSE(add(part(0, 1, {})));
  auto unknown_type = part(0, 1, {0});
  unknown_type.dtype = 77;
  EXPECT_FALSE(add(unknown_type));
  auto unknown_site = part(0, 1, {0});
  unknown_site.slots[0]->site = 77;
  EXPECT_FALSE(add(unknown_site));
}

TEST_F(Assembler, RefusesPartsOfAnotherConversation) {
  ASSERT_TRUE(add(part(0, 1, {0})));
  auto other = part(1, 2, {0});
  other.conversation = "0000000000002";
  EXPECT_FALSE(add(other));
}

}  // namespace
}  // namespace lamina

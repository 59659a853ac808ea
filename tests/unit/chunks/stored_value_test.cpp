#include "actors/chunks/stored_value.hpp"

#include <gmock/gmock.h>

namespace lamina {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

TEST(StoredValue, SmallModelPutsAllLayersIntoOneValue) {
  const capture_shape demo{8, 256, dtype::bfloat16};
  EXPECT_EQ(layers_per_value(demo), 8u);
  EXPECT_THAT(value_keys({}, site::resid_post, demo),
              ElementsAre(value_key{{}, site::resid_post, 0}));
}

TEST(StoredValue, ValuesHoldWholeKeyGroups) {
  const capture_shape seven_billion{32, 4096, dtype::bfloat16};
  EXPECT_EQ(layers_per_value(seven_billion), key_interval);
  EXPECT_THAT(value_keys({}, site::resid_post, seven_billion), SizeIs(4));
  const capture_shape gpt2{12, 768, dtype::float32};
  EXPECT_EQ(layers_per_value(gpt2), 12u);
  const capture_shape odd{21, 2048, dtype::float32};
  EXPECT_THAT(value_keys({}, site::resid_post, odd),
              ElementsAre(value_key{{}, site::resid_post, 0},
                          value_key{{}, site::resid_post, 8},
                          value_key{{}, site::resid_post, 16}));
  const capture_shape deep{80, 1024, dtype::bfloat16};
  EXPECT_EQ(layers_per_value(deep), 4 * key_interval);
}

TEST(StoredValue, OneGroupAboveTheLimitStillHasAValueOfItsOwn) {
  const capture_shape wide{30, 8192, dtype::float32};
  EXPECT_EQ(layers_per_value(wide), key_interval);
  EXPECT_THAT(value_keys({}, site::resid_post, wide), SizeIs(4));
}

TEST(StoredValue, SitesWithoutLayersHaveOneValue) {
  const capture_shape wide{80, 8192, dtype::float32};
  EXPECT_THAT(value_keys({}, site::embed, wide), SizeIs(1));
  EXPECT_THAT(value_keys({}, site::final_norm, wide), SizeIs(1));
}

}  // namespace
}  // namespace lamina

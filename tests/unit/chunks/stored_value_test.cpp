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

TEST(StoredValue, GroupsKeepWithinTheirBytes) {
  const capture_shape seven_billion{32, 4096, dtype::bfloat16};
  EXPECT_EQ(layers_per_value(seven_billion), 2u);
  EXPECT_THAT(value_keys({}, site::resid_post, seven_billion), SizeIs(16));
  const capture_shape odd{5, 2048, dtype::float32};
  EXPECT_THAT(value_keys({}, site::resid_post, odd),
              ElementsAre(value_key{{}, site::resid_post, 0},
                          value_key{{}, site::resid_post, 2},
                          value_key{{}, site::resid_post, 4}));
}

TEST(StoredValue, OneLayerAboveTheLimitStillHasAValueOfItsOwn) {
  const capture_shape wide{3, 8192, dtype::float32};
  EXPECT_EQ(layers_per_value(wide), 1u);
  EXPECT_THAT(value_keys({}, site::resid_post, wide), SizeIs(3));
}

TEST(StoredValue, SitesWithoutLayersHaveOneValue) {
  const capture_shape wide{80, 8192, dtype::float32};
  EXPECT_THAT(value_keys({}, site::embed, wide), SizeIs(1));
  EXPECT_THAT(value_keys({}, site::final_norm, wide), SizeIs(1));
}

}  // namespace
}  // namespace lamina

// The planner against real stores: within a tenth.
#include "actors/store/footprint.hpp"

#include <random>

#include "tests/unit/store/store_fixture.hpp"

namespace lamina {
namespace {

class FootprintTest : public StoreTest {
 protected:
  // Stores what the plan says, under random names as hashes are; the bytes of
  // the pages that it took.
  std::uint64_t store_really(const capture_plan& plan) {
    const auto before = statistics().file.used_bytes();
    std::mt19937_64 random(1);
    put({put_conversation{conversation(1)}});
    for (std::uint32_t i = 0; first_position(i) < plan.tokens; ++i) {
      digest n;
      for (auto& b : n.bytes)
        b = static_cast<std::uint8_t>(random());
      const auto rows = static_cast<std::uint32_t>(std::min<std::uint64_t>(
          chunk_positions, plan.tokens - first_position(i)));
      auto c = chunk(n, rows);
      for (auto& token : c.tokens)
        token.bytes = "four";
      put({put_chunk{1, i, c, values_of(plan, n, rows),
                     plan.lens ? lens_of(plan.shape.layers, rows) : nullptr}});
    }
    return statistics().file.used_bytes() - before;
  }
  static std::vector<stored_value_ptr> values_of(const capture_plan& plan,
                                                 const digest& n,
                                                 std::uint32_t rows) {
    std::vector<stored_value_ptr> values;
    const std::pair<site, bool> sites[] = {{site::embed, plan.embed},
                                           {site::resid_post, plan.resid_post},
                                           {site::final_norm, plan.final_norm}};
    for (const auto& [at, wanted] : sites) {
      if (!wanted) continue;
      const auto keys = value_keys(n, at, plan.shape);
      for (const auto& key : keys) {
        const std::uint32_t layers =
            is_per_layer(at) ? std::min(layers_per_value(plan.shape),
                                        plan.shape.layers - key.first_layer)
                             : 1;
        const double raw = static_cast<double>(rows * layers) *
                           static_cast<double>(plan.shape.row_bytes());
        values.push_back(value(n, rows,
                               static_cast<std::size_t>(raw * plan.value_ratio),
                               at, key.first_layer));
      }
    }
    return values;
  }
  static lens_block_ptr lens_of(std::uint32_t layers, std::uint32_t rows) {
    lens_rows computed{0, layers, true, {}};
    computed.records.resize(std::size_t{rows} * (layers + 1));
    lens_block block = make_lens_block(layers);
    merge(block, 0, computed);
    return std::make_shared<const lens_block>(std::move(block));
  }
  void expect_within_a_tenth(const capture_plan& plan) {
    const auto planned = plan_footprint(plan);
    const auto taken = static_cast<double>(store_really(plan));
    EXPECT_NEAR(static_cast<double>(planned.disk_bytes), taken, taken / 10);
    EXPECT_NEAR(static_cast<double>(planned.value_bytes),
                static_cast<double>(statistics().value_bytes),
                static_cast<double>(statistics().value_bytes) / 100);
    const auto& tables = statistics().tables;
    EXPECT_NEAR(static_cast<double>(planned.lens_bytes),
                static_cast<double>(tables[3].payload_bytes),
                static_cast<double>(tables[3].payload_bytes) / 50);
    EXPECT_NEAR(
        static_cast<double>(planned.record_bytes),
        static_cast<double>(tables[1].payload_bytes + tables[4].payload_bytes +
                            tables[5].payload_bytes),
        static_cast<double>(tables[1].payload_bytes) / 50);
  }
};

TEST_F(FootprintTest, Gpt2Shape) {
  expect_within_a_tenth({.shape = {12, 768, dtype::bfloat16},
                         .tokens = 3'005,
                         .embed = true,
                         .final_norm = true,
                         .value_ratio = 0.55});
}

TEST_F(FootprintTest, SevenBillionShape) {
  expect_within_a_tenth({.shape = {32, 4096, dtype::bfloat16},
                         .tokens = 500,
                         .value_ratio = 0.2});
}

TEST_F(FootprintTest, LensRecordsAlone) {
  expect_within_a_tenth({.shape = {12, 768, dtype::bfloat16},
                         .tokens = 4'000,
                         .resid_post = false});
}

TEST_F(FootprintTest, ValuesThatShareLeafPages) {
  expect_within_a_tenth({.shape = {2, 64, dtype::bfloat16},
                         .tokens = 6'000,
                         .embed = true,
                         .lens = false,
                         .value_ratio = 0.2});
}

TEST_F(FootprintTest, TokensAlone) {
  expect_within_a_tenth({.shape = {12, 768, dtype::bfloat16},
                         .tokens = 20'000,
                         .resid_post = false,
                         .lens = false});
}

TEST_F(FootprintTest, RawBytesAreTheCapturesOwn) {
  const auto f = plan_footprint({.shape = {12, 768, dtype::bfloat16},
                                 .tokens = 1'000,
                                 .embed = true,
                                 .lens = false});
  EXPECT_EQ(f.raw_bytes, 13u * 768 * 2 * 1'000);
  EXPECT_GT(f.overhead(), 0);
  EXPECT_EQ(plan_footprint({}).disk_bytes, 0u);
}

}  // namespace
}  // namespace lamina

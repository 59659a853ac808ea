// The expected digests were computed with Python's hashlib from the rule in
// docs/storage-format.md: SHA-256 over (length, bytes) of each item.
#include "actors/chunks/chunk_key.hpp"

#include <gmock/gmock.h>

#include <functional>
#include <numeric>
#include <set>

namespace lamina {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

provenance sample() {
  provenance p;
  std::iota(p.model_fingerprint.bytes.begin(), p.model_fingerprint.bytes.end(),
            std::uint8_t{0});
  p.compute_dtype = dtype::bfloat16;
  p.rope = "default:10000";
  p.revision = 1;  // of the documented example
  return p;
}

std::vector<token_id> first_sixteen() {
  std::vector<token_id> tokens(chunk_positions);
  std::iota(tokens.begin(), tokens.end(), 100u);
  return tokens;
}

std::vector<token_id> next_sixteen() {
  std::vector<token_id> tokens;
  for (token_id i = 0; i < chunk_positions; ++i)
    tokens.push_back(0xffffffffu - i);
  return tokens;
}

TEST(Digest, IsTheBeginningOfSha256) {
  EXPECT_EQ(to_string(digest_builder().finish()),
            "e3b0c44298fc1c149afbf4c8996fb924");
}

TEST(Digest, TellsItemBoundariesApart) {
  const auto ab_c = digest_builder().add("ab").add("c").finish();
  const auto a_bc = digest_builder().add("a").add("bc").finish();
  EXPECT_EQ(to_string(ab_c), "43ee655579de01ca739b3f95c1c2d3f4");
  EXPECT_NE(ab_c, a_bc);
}

TEST(ProvenanceRoot, MatchesItsGolden) {
  EXPECT_EQ(to_string(root_of(sample())), "b745df4cb0c654bd99a99f8d3c78ef1c");
}

TEST(ProvenanceRoot, ChangesWithEveryField) {
  const std::vector<std::function<void(provenance&)>> changes{
      [](provenance&) {},
      [](provenance& p) { p.model_fingerprint.bytes[15] ^= 1; },
      [](provenance& p) { p.compute_dtype = dtype::float32; },
      [](provenance& p) { p.kv_dtype = dtype::bfloat16; },
      [](provenance& p) { p.rope = "default:10001"; },
      [](provenance& p) { p.expert_vector += "x"; },
      [](provenance& p) { p.steering += "x"; },
      [](provenance& p) { p.origin = "brought:1"; },
      [](provenance& p) { p.revision += 1; },
      [](provenance& p) { p.weights = "int8"; },
      [](provenance& p) { p.device = "cuda"; },
  };
  std::set<digest> roots;
  for (const auto& change : changes) {
    provenance p = sample();
    change(p);
    roots.insert(root_of(p));
  }
  EXPECT_THAT(roots, SizeIs(changes.size()));
}

TEST(ChunkKey, MatchesItsGolden) {
  const digest first = chunk_key(root_of(sample()), first_sixteen());
  EXPECT_EQ(to_string(first), "4f8d247f26a2ee72bee7459ab7461723");
  EXPECT_EQ(to_string(chunk_key(first, next_sixteen())),
            "4dd0833d3695dba65e9b093627abffea");
}

TEST(ChunkKey, ChainCoversFullChunksOnly) {
  std::vector<token_id> tokens = first_sixteen();
  const auto second = next_sixteen();
  tokens.insert(tokens.end(), second.begin(), second.end());
  tokens.push_back(7);
  const digest root = root_of(sample());
  const digest first = chunk_key(root, first_sixteen());
  EXPECT_THAT(chunk_keys(root, tokens),
              ElementsAre(first, chunk_key(first, second)));
  tokens.resize(15);
  EXPECT_THAT(chunk_keys(root, tokens), SizeIs(0));
}

TEST(ChunkKey, SharesNothingBetweenRoots) {
  provenance other = sample();
  other.revision += 1;
  EXPECT_NE(chunk_key(root_of(sample()), first_sixteen()),
            chunk_key(root_of(other), first_sixteen()));
}

TEST(TailKey, MatchesItsGoldenAndIsOfOneConversationAndChunk) {
  const digest tail = tail_key(0x0123456789abcdef, 7);
  EXPECT_EQ(to_string(tail), "5dc049d1ce54a1f9e686e016d55b9d39");
  EXPECT_NE(tail, tail_key(0x0123456789abcdef, 8));
  EXPECT_NE(tail, tail_key(0x0123456789abcdee, 7));
}

TEST(Positions, MapToChunksAndRows) {
  EXPECT_EQ(chunk_of(15), 0u);
  EXPECT_EQ(chunk_of(16), 1u);
  EXPECT_EQ(row_in_chunk(20), 4u);
  EXPECT_EQ(first_position(2), 32u);
}

}  // namespace
}  // namespace lamina

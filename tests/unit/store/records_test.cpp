#include "actors/store/records.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

namespace lamina {
namespace {

conversation_record full_conversation() {
  conversation_record r;
  r.id = 0x0102030405060708;
  r.owner_uid = 1000;
  r.model = "demo";
  r.root.bytes.fill(0xee);
  r.shape = {8, 256, dtype::bfloat16};
  r.created_unix_ms = 1'700'000'000'123;
  r.accessed_unix_ms = 1'700'000'000'456;
  r.pinned = true;
  r.state = turn_state::interrupted;
  r.turns = 3;
  r.positions = 41;
  r.parent = 7;
  r.forked_at = 20;
  r.preview = "Hi";
  return r;
}

chunk_record tail_chunk() {
  chunk_record r;
  r.name.bytes.fill(0xab);
  r.tokens = {{5, role::user, 1, "Hi"}, {0xffffff, role::assistant, 1, ""}};
  r.embed = presence::present;
  r.resid_post = presence::pending;
  r.final_norm = presence::dropped;
  r.lens = presence::on_demand;
  return r;
}

TEST(Records, ConversationSurvivesEncoding) {
  const auto back = decode_conversation(encode(full_conversation()));
  ASSERT_TRUE(back.has_value());
  const conversation_record& r = back.value();
  EXPECT_EQ(r.id, 0x0102030405060708u);
  EXPECT_EQ(r.owner_uid, 1000u);
  EXPECT_EQ(r.model, "demo");
  EXPECT_EQ(r.root, full_conversation().root);
  EXPECT_EQ(r.shape, full_conversation().shape);
  EXPECT_EQ(r.created_unix_ms, 1'700'000'000'123);
  EXPECT_EQ(r.accessed_unix_ms, 1'700'000'000'456);
  EXPECT_TRUE(r.pinned);
  EXPECT_EQ(r.state, turn_state::interrupted);
  EXPECT_EQ(r.turns, 3u);
  EXPECT_EQ(r.positions, 41u);
  EXPECT_EQ(r.parent, 7u);
  EXPECT_EQ(r.forked_at, 20u);
  EXPECT_EQ(r.preview, "Hi");
}

TEST(Records, ChunkSurvivesEncoding) {
  const auto back = decode_chunk_record(encode(tail_chunk()));
  ASSERT_TRUE(back.has_value());
  const chunk_record& r = back.value();
  EXPECT_EQ(r.name, tail_chunk().name);
  EXPECT_FALSE(r.full);
  ASSERT_EQ(r.tokens.size(), 2u);
  EXPECT_EQ(r.tokens[0].bytes, "Hi");
  EXPECT_EQ(r.tokens[1].id, 0xffffffu);
  EXPECT_EQ(r.tokens[1].who, role::assistant);
  EXPECT_EQ(r.tokens[1].turn, 1);
  EXPECT_EQ(r.embed, presence::present);
  EXPECT_EQ(r.resid_post, presence::pending);
  EXPECT_EQ(r.final_norm, presence::dropped);
  EXPECT_EQ(r.lens, presence::on_demand);
}

TEST(Records, ChunkMatchesItsGolden) {
  const unsigned char golden[] = {
      1,    0,                                         // version
      0xab, 0xab, 0xab, 0xab, 0xab, 0xab, 0xab, 0xab,  // name
      0xab, 0xab, 0xab, 0xab, 0xab, 0xab, 0xab, 0xab,
      0,                    // not full
      2,    1,    3,    6,  // present, pending, dropped, on demand
      2,                    // tokens
      5,    0,    0,    0,  // id
      1,    1,    0,        // user, turn 1
      2,    0,    0,    0,    'H',  'i',  0xff, 0xff, 0xff, 0,  // id
      2,    1,    0,  // assistant, turn 1
      0,    0,    0,    0,
  };
  const auto bytes = encode(tail_chunk());
  ASSERT_EQ(bytes.size(), sizeof golden);
  EXPECT_EQ(std::memcmp(bytes.data(), golden, sizeof golden), 0);
}

TEST(Records, ABroughtConversationKeepsWhereItCameFrom) {
  auto brought = full_conversation();
  brought.fingerprint.bytes.fill(0xcd);
  brought.origin = "brought:x";
  const auto bytes = encode(brought);
  // As version 1, then the fingerprint and the origin.
  const auto plain = encode(full_conversation());
  ASSERT_EQ(bytes.size(), plain.size() + 16 + 4 + 9);
  EXPECT_EQ(bytes[0], std::byte{2});
  EXPECT_TRUE(std::equal(plain.begin() + 2, plain.end(), bytes.begin() + 2));
  EXPECT_EQ(bytes[plain.size()], std::byte{0xcd});
  EXPECT_EQ(bytes[plain.size() + 16], std::byte{9});
  EXPECT_EQ(bytes.back(), std::byte{'x'});
  const auto back = decode_conversation(bytes).value();
  EXPECT_EQ(back.fingerprint, brought.fingerprint);
  EXPECT_EQ(back.origin, "brought:x");
  EXPECT_TRUE(back.is_brought());
  EXPECT_FALSE(
      decode_conversation(encode(full_conversation())).value().is_brought());
}

TEST(Records, ATokensConversationKeepsItsOwnerAndGroup) {
  auto shared = full_conversation();
  shared.owner_uid = nobody_uid;
  shared.owner_token = "al";
  shared.group = "lab";
  const auto bytes = encode(shared);
  const unsigned char golden_end[] = {
      6, 0, 0, 0, 'e', 'n', 'g', 'i', 'n', 'e',  // origin
      2, 0, 0, 0, 'a', 'l',                      // owner
      3, 0, 0, 0, 'l', 'a', 'b',                 // group
  };
  const auto plain = encode(full_conversation());
  ASSERT_EQ(bytes.size(), plain.size() + 16 + sizeof golden_end);
  EXPECT_EQ(bytes[0], std::byte{3});
  EXPECT_EQ(std::memcmp(bytes.data() + plain.size() + 16, golden_end,
                        sizeof golden_end),
            0);
  const auto read = decode_conversation(bytes).value();
  EXPECT_EQ(read.owner_uid, nobody_uid);
  EXPECT_EQ(read.owner_token, "al");
  EXPECT_EQ(read.group, "lab");
  EXPECT_EQ(read.origin, "engine");
  for (std::size_t n = 0; n < bytes.size(); ++n)
    EXPECT_FALSE(decode_conversation(std::span(bytes).first(n))) << n;
}

TEST(Records, ConversationMatchesItsGolden) {
  const unsigned char golden[] = {
      1,
      0,  // version
      8,
      7,
      6,
      5,
      4,
      3,
      2,
      1,  // id
      0xe8,
      3,
      0,
      0,  // owner
      0xee,
      0xee,
      0xee,
      0xee,
      0xee,
      0xee,
      0xee,
      0xee,  // root
      0xee,
      0xee,
      0xee,
      0xee,
      0xee,
      0xee,
      0xee,
      0xee,
      8,
      0,
      0,
      0,
      0,
      1,
      0,
      0,
      2,  // layers, width, bfloat16
      0x7b,
      0x68,
      0xe5,
      0xcf,
      0x8b,
      1,
      0,
      0,  // created
      0xc8,
      0x69,
      0xe5,
      0xcf,
      0x8b,
      1,
      0,
      0,  // accessed
      1,
      3,  // pinned, interrupted
      3,
      0,
      0,
      0,
      41,
      0,
      0,
      0,  // turns, positions
      7,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      20,
      0,
      0,
      0,  // parent,
          // forked at
      4,
      0,
      0,
      0,
      'd',
      'e',
      'm',
      'o',
      2,
      0,
      0,
      0,
      'H',
      'i',
  };
  const auto bytes = encode(full_conversation());
  ASSERT_EQ(bytes.size(), sizeof golden);
  for (std::size_t i = 0; i < sizeof golden; ++i)
    EXPECT_EQ(static_cast<int>(bytes[i]), golden[i]) << i;
}

TEST(Records, EveryTruncationIsCorrupt) {
  const auto whole = encode(full_conversation());
  for (std::size_t n = 0; n < whole.size(); ++n)
    EXPECT_EQ(decode_conversation(std::span(whole).first(n)).error().code,
              error_code::corrupt);
  const auto chunk = encode(tail_chunk());
  for (std::size_t n = 0; n < chunk.size(); ++n)
    EXPECT_EQ(decode_chunk_record(std::span(chunk).first(n)).error().code,
              error_code::corrupt);
}

TEST(Records, NewerVersionIsRefused) {
  auto bytes = encode(tail_chunk());
  bytes[0] = std::byte{2};
  EXPECT_EQ(decode_chunk_record(bytes).error().code,
            error_code::unsupported_version);
}

TEST(Records, RandomBytesNeverCrash) {
  std::mt19937 random(2);
  for (int round = 0; round < 20'000; ++round) {
    auto bytes = encode(tail_chunk());
    for (int i = 0; i < 3; ++i)
      bytes[random() % bytes.size()] = static_cast<std::byte>(random());
    const auto back = decode_chunk_record(bytes);
    if (back.has_value()) {
      EXPECT_LE(back.value().tokens.size(), 16u);
    }
    auto other = encode(full_conversation());
    other[random() % other.size()] = static_cast<std::byte>(random());
    if (const auto r = decode_conversation(other); r.has_value()) {
      EXPECT_NE(to_string(r.value().state), "unknown");
    }
  }
}

}  // namespace
}  // namespace lamina

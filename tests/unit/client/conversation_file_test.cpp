#include "client/cli/conversation_file.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "client/cli/output_file.hpp"
#include "client/cli/tensor_files.hpp"

namespace lamina::cli {
namespace {

namespace fs = std::filesystem;

/// 40 positions of 2 layers x 2: the middle chunk lost its activations, the
/// first has no lens records.
wire::ConversationT conversation() {
  wire::ConversationT c;
  c.id = "0000000000001";
  c.model = "gpt2";
  c.origin = "engine";
  c.layers = 2;
  c.width = 2;
  c.dtype = static_cast<std::uint8_t>(dtype::float32);
  for (std::uint32_t p = 0; p < 40; ++p) {
    auto token = std::make_unique<wire::TokenT>();
    token->id = 100 + p;
    token->bytes = {0xe2, static_cast<std::uint8_t>(p)};
    token->role = 2;
    token->turn = static_cast<std::uint16_t>(p / 20);
    c.tokens.push_back(std::move(token));
  }
  for (std::uint32_t begin = 0; begin < 40; begin += 16) {
    auto chunk = std::make_unique<wire::LedgerEntryT>();
    chunk->position_begin = begin;
    chunk->position_end = std::min(begin + 16, 40u);
    chunk->embed = "never_asked";
    chunk->resid_post = begin == 16 ? "evicted" : "present";
    chunk->final_norm = "present";
    chunk->lens = begin == 0 ? "on_demand" : "present";
    c.ledger.push_back(std::move(chunk));
  }
  return c;
}

TEST(ConversationLayout, FollowsTheLedger) {
  const auto layout = layout_of(conversation());
  EXPECT_EQ(layout.sites,
            (std::vector<site>{site::resid_post, site::final_norm}));
  EXPECT_EQ(layout.slots.size(), 3u);
  EXPECT_EQ(layout.rows, (std::vector<position_span>{{0, 16}, {32, 40}}));
  EXPECT_EQ(layout.lens, (std::vector<position_span>{{16, 40}}));
  EXPECT_EQ(count(layout.rows), 24u);
  EXPECT_EQ(count_before(layout.rows, 34), 18u);
  EXPECT_EQ(count_before(layout.rows, 20), 16u);
  EXPECT_EQ(chunks_before(layout.rows, 32), 1u);
  EXPECT_EQ(chunks_before(layout.rows, 40), 2u);
}

class ConversationFile : public testing::Test {
 protected:
  ConversationFile() {
    std::string name = fs::temp_directory_path() / "lamina_conversation_XXXXXX";
    directory_ = ::mkdtemp(name.data());
  }
  ~ConversationFile() override { fs::remove_all(directory_); }

  std::string path() const { return (directory_ / "c.safetensors").string(); }

  /// The file with numbers counted up in all its tensors.
  void write() {
    const auto c = conversation();
    const auto layout = layout_of(c);
    header_ = header_of(c, layout).value();
    std::vector<std::byte> bytes(header_.file_bytes);
    std::memcpy(bytes.data(), header_.bytes.data(), header_.bytes.size());
    for (std::size_t s = 0; s < 3; ++s)
      for (std::uint32_t i = 0; i < 24 * 2; ++i)
        put(bytes, header_.slots[s] + 4 * i, static_cast<float>(1000 * s + i));
    put(bytes, header_.relative_error + 4, 0.25f);
    for (std::size_t part = 0; part < lens_parts.size(); ++part)
      put(bytes, header_.lens[part], static_cast<float>(part + 1));
    bytes[header_.lens_rated + 1] = std::byte{1};
    const std::array parts{std::span<const std::byte>(bytes)};
    ASSERT_TRUE(write_whole_file(path(), parts));
  }

  static void put(std::vector<std::byte>& bytes, std::uint64_t at, float x) {
    std::memcpy(bytes.data() + at, &x, sizeof x);
  }
  static float get(const std::vector<std::byte>& bytes, std::size_t at) {
    float x;
    std::memcpy(&x, bytes.data() + at, sizeof x);
    return x;
  }

  result<brought_conversation> read() {
    auto file = safetensors_file::open(path());
    if (!file) return file.error();
    return read_conversation_file(
        std::make_shared<safetensors_file>(std::move(file).value()));
  }

  conversation_header header_;
  fs::path directory_;
};

TEST_F(ConversationFile, ComesBackAsItWas) {
  write();
  const auto read_back = read();
  ASSERT_TRUE(read_back) << to_string(read_back.error());
  const auto& what = read_back.value();
  EXPECT_EQ(what.declared.model, "gpt2");
  EXPECT_EQ(what.declared.quality, "lossless");
  EXPECT_EQ(what.declared.sites, (std::vector<std::uint8_t>{2, 3}));
  ASSERT_EQ(what.tokens.size(), 40u);
  EXPECT_EQ(what.tokens[33].id, 133u);
  EXPECT_EQ(what.tokens[33].turn, 1);
  EXPECT_EQ(what.tokens[33].bytes, (std::vector<std::uint8_t>{0xe2, 33}));
  EXPECT_EQ(what.rows, (std::vector<position_span>{{0, 16}, {32, 40}}));
  EXPECT_EQ(what.relative_error(15), 0);
  EXPECT_EQ(what.relative_error(39), 0.25f) << "of its chunk";
  std::vector<std::byte> rows(2 * position_bytes(what.declared));
  ASSERT_TRUE(what.read_rows({33, 35}, rows));
  // [slot][position][width]: position 33 is the tensors' row 17.
  EXPECT_EQ(get(rows, 0), 34);
  EXPECT_EQ(get(rows, 8), 36);
  EXPECT_EQ(get(rows, 16), 1034);
}

TEST_F(ConversationFile, LensRecordsComeBackTogether) {
  write();
  const auto what = read().value();
  // Position 17 alone is rated.
  ASSERT_EQ(what.lens.size(), 23u);
  EXPECT_EQ(what.lens[0].positions, (position_span{16, 18}));
  EXPECT_FALSE(what.lens[0].first_rated);
  std::vector<std::byte> records(3 * lens_record_bytes);
  ASSERT_TRUE(what.read_lens({16, 17}, records));
  for (const auto& part : lens_parts)
    EXPECT_EQ(get(records, part.offset),
              static_cast<float>(&part - lens_parts.data() + 1));
  EXPECT_EQ(get(records, lens_record_bytes), 0) << "the next layer's";
}

TEST_F(ConversationFile, CutAnywhereItIsRefused) {
  write();
  std::ifstream file(path(), std::ios::binary);
  const std::string whole((std::istreambuf_iterator<char>(file)), {});
  for (std::size_t size = 0; size < whole.size(); size += 37) {
    std::ofstream(path(), std::ios::binary) << whole.substr(0, size);
    const auto what = read();
    ASSERT_FALSE(what) << size;
    EXPECT_EQ(what.error().code, error_code::invalid_argument);
  }
}

TEST_F(ConversationFile, AGiantHeaderIsRefusedBeforeItIsRead) {
  write();
  std::fstream file(path(), std::ios::binary | std::ios::in | std::ios::out);
  const std::uint64_t giant = std::uint64_t{1} << 60;
  file.write(reinterpret_cast<const char*>(&giant), sizeof giant);
  file.close();
  EXPECT_EQ(read().error().code, error_code::invalid_argument);
}

}  // namespace
}  // namespace lamina::cli

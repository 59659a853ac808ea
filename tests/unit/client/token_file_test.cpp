#include "client/cli/token_file.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace lamina::cli {
namespace {

class TokenFile : public testing::Test {
 protected:
  TokenFile() {
    std::string name =
        std::filesystem::temp_directory_path() / "lamina_tokens_XXXXXX";
    directory_ = ::mkdtemp(name.data());
  }
  ~TokenFile() override { std::filesystem::remove_all(directory_); }

  result<std::vector<wire::TokenT>> read(const std::string& text) {
    const auto path = (directory_ / "tokens.json").string();
    std::ofstream(path) << text;
    return read_tokens(path);
  }

  std::filesystem::path directory_;
};

TEST_F(TokenFile, TakesWhatTheCommandLinePrints) {
  const auto tokens = read(
      R"({"tokens": [{"position": 0, "id": 5, "text": "Hi", "role": "system",
          "turn": 2}, {"id": 6, "bytes": "e2Ff", "text": "?"}]})");
  ASSERT_TRUE(tokens) << to_string(tokens.error());
  ASSERT_EQ(tokens.value().size(), 2u);
  const auto& [first, second] = std::tie(tokens.value()[0], tokens.value()[1]);
  EXPECT_EQ(first.id, 5u);
  EXPECT_EQ(first.role, 3);
  EXPECT_EQ(first.bytes, (std::vector<std::uint8_t>{'H', 'i'}));
  EXPECT_EQ(second.bytes, (std::vector<std::uint8_t>{0xe2, 0xff}));
  EXPECT_EQ(second.role, 1) << "a user's, unless it says otherwise";
  EXPECT_EQ(second.turn, 2) << "of the turn before it";
}

TEST_F(TokenFile, RefusesWhatIsNoToken) {
  for (const char* text :
       {"", "3", R"({"tokens": 3})", R"([{"id": 1}])", R"([{"text": "x"}])",
        R"([{"id": 1, "text": 5}])", R"([{"id": 1, "bytes": "abc"}])",
        R"([{"id": 1, "bytes": "xy"}])",
        R"([{"id": 1, "text": "x", "role": "nobody"}])",
        R"([{"id": 1, "text": "x", "turn": "one"}])"}) {
    const auto tokens = read(text);
    ASSERT_FALSE(tokens) << text;
    EXPECT_EQ(tokens.error().code, error_code::invalid_argument) << text;
  }
  EXPECT_EQ(read_tokens("/no/such/file").error().code, error_code::io_error);
}

TEST_F(TokenFile, HexadecimalGoesThereAndBack) {
  const std::vector<std::uint8_t> bytes{0, 0x0f, 0xa0, 0xff};
  EXPECT_EQ(to_hexadecimal(bytes), "000fa0ff");
  EXPECT_EQ(from_hexadecimal("000FA0ff").value(), bytes);
}

}  // namespace
}  // namespace lamina::cli

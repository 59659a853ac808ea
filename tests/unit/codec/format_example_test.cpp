// The worked example of docs/storage-format.md is what the code writes.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

#include "actors/codec/codec.hpp"
#include "tests/unit/codec/sample_chunk.hpp"

namespace lamina {
namespace {

/// One row of two layers of four bfloat16 numbers.
stored_value example_value() {
  const std::uint16_t layers[2][4] = {
      {0x3f80, 0xc000, 0x3f00, 0x4040},  // 1, -2, 0.5, 3
      {0x3fc0, 0xc020, 0x3e80, 0x4080},  // 1.5, -2.5, 0.25, 4
  };
  raw_chunk chunk({2, 4, dtype::bfloat16}, 0);
  for (std::uint32_t layer = 0; layer < 2; ++layer)
    std::memcpy(chunk.row(1 + layer, 0).data(), layers[layer], 8);
  return encode({sample_name(), site::resid_post, 0}, chunk, 1,
                quality::lossless);
}

/// "0000  4c 56 41 4c ..." lines, 16 bytes each, as the document has them.
std::string hex_dump(std::span<const std::byte> bytes) {
  std::string text;
  char word[32];
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i % 16 == 0) {
      std::snprintf(word, sizeof word, "%s%04zx ", i == 0 ? "" : "\n", i);
      text += word;
    }
    std::snprintf(word, sizeof word, " %02x", static_cast<unsigned>(bytes[i]));
    text += word;
  }
  return text;
}

TEST(StorageFormatDocument, ExampleIsWhatTheCodeWrites) {
  std::ifstream file(LAMINA_SOURCE_DIR "/docs/storage-format.md");
  std::ostringstream document;
  document << file.rdbuf();
  const std::string dump = hex_dump(example_value().bytes);
  EXPECT_NE(document.str().find("```\n" + dump + "\n```"), std::string::npos)
      << "docs/storage-format.md does not contain\n"
      << dump;
}

TEST(StorageFormatDocument, ExampleReadsBack) {
  const auto value = example_value();
  const auto header = check(value.key, value.bytes);
  ASSERT_TRUE(header.has_value());
  std::vector<std::byte> row(8);
  ASSERT_TRUE(decode_rows(header.value(), value.bytes, 1, 0, 1, row));
  float widened[4];
  widen_row(row, dtype::bfloat16, widened);
  EXPECT_EQ(widened[1], -2.5f);
}

}  // namespace
}  // namespace lamina

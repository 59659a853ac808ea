// The trained demo model: text that stays the same however it is computed.
// Bound to no value that another training run would change.
#include "tests/unit/model/fixture.hpp"

namespace lamina {
namespace {

using namespace test;

std::string write(const model_ptr& m, const std::string& prompt,
                  engine_options options) {
  sequence_request r;
  r.tokens = m->text().encode(prompt, {true, false}).value();
  r.max_new_tokens = 60;
  std::string text;
  for (const token_id id : run_one(m, r, options).tokens)
    text += m->text().bytes_of(id);
  return text;
}

TEST(DemoModel, WritesWordsAndAlwaysTheSame) {
  const auto directory =
      std::filesystem::path(LAMINA_SOURCE_DIR) / "models/demo";
  if (!std::filesystem::exists(directory / "model.safetensors"))
    GTEST_SKIP() << "no demo model in " << directory;
  const auto m = load(directory);
  const std::string text = write(m, "The captain looked at the house and", {});
  EXPECT_EQ(write(m, "The captain looked at the house and", {}), text);
  engine_options pieces;
  pieces.pace.rows_max = 1;
  const auto again = write(m, "The captain looked at the house and", pieces);
  EXPECT_EQ(again.substr(0, 20), text.substr(0, 20));
  std::size_t letters = 0, spaces = 0;
  for (const char c : text) {
    letters += std::isalpha(static_cast<unsigned char>(c)) ? 1 : 0;
    spaces += c == ' ' || c == '\n' ? 1 : 0;
  }
  EXPECT_GT(letters, text.size() * 6 / 10) << text;
  EXPECT_GT(spaces, text.size() / 12) << text;
}

}  // namespace
}  // namespace lamina

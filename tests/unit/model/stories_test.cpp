// A model that others trained and published: stories260K of llama2.c, whose
// own program's greedy text is known.
#include "tests/unit/model/fixture.hpp"

namespace lamina {
namespace {

using namespace test;

class Stories : public ::testing::Test {
 protected:
  model_ptr model_ = load(golden_directory("stories260K"));

  std::string expected() const {
    std::ifstream in(golden_directory("stories260K") / "greedy.txt");
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::string text_of(const std::vector<token_id>& ids) const {
    std::string text;
    for (const token_id id : ids)
      text += model_->text().bytes_of(id);
    return text;
  }
};

TEST_F(Stories, GreedyTextIsTheReferences) {
  sequence_request r;
  r.tokens = {*model_->text().bos()};
  r.max_new_tokens = 256;
  // What follows the beginning of a text is a space, which llama2.c leaves out.
  EXPECT_EQ(text_of(run_one(model_, r).tokens), " " + expected());
}

TEST_F(Stories, APromptIsCutAsTheModelWritesIt) {
  sequence_request r;
  r.tokens = {*model_->text().bos()};
  r.max_new_tokens = 256;
  auto all = run_one(model_, r).tokens;
  all.insert(all.begin(), *model_->text().bos());
  EXPECT_EQ(model_->text().encode(expected(), {.add_bos = true}).value(), all);
}

}  // namespace
}  // namespace lamina

#include "daemon/tokens.hpp"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <fstream>
#include <sstream>

namespace lamina {
namespace {

using testing::HasSubstr;
using testing::Not;

class TokensTest : public testing::Test {
 protected:
  TokensTest() {
    std::string pattern = testing::TempDir() + "lamina-tokens-XXXXXX";
    directory_ = mkdtemp(pattern.data());
    file_ = directory_ / "tokens";
  }
  ~TokensTest() override { std::filesystem::remove_all(directory_); }

  std::string text() const {
    std::ifstream in(file_);
    std::stringstream whole;
    whole << in.rdbuf();
    return whole.str();
  }

  result<token_table> write(const std::string& text, mode_t mode = 0600) {
    std::ofstream(file_) << text;
    chmod(file_.c_str(), mode);
    return token_table::read(file_);
  }

  std::filesystem::path directory_;
  std::filesystem::path file_;
};

TEST_F(TokensTest, ATokenIsKnownByItsHashAlone) {
  const auto token =
      add_token(file_, "alice", "read,generate", "lab,owls").value();
  EXPECT_THAT(text(), Not(HasSubstr(token)));
  const auto table = token_table::read(file_).value();
  const auto who = table.bearer_of(token);
  ASSERT_TRUE(who);
  EXPECT_EQ(who->token, "alice");
  EXPECT_EQ(who->uid, nobody_uid);
  EXPECT_TRUE(who->scopes.has(scope::read));
  EXPECT_TRUE(who->scopes.has(scope::generate));
  EXPECT_FALSE(who->scopes.has(scope::admin));
  EXPECT_TRUE(who->in_group("owls"));
  EXPECT_FALSE(who->in_group("owl"));
}

TEST_F(TokensTest, OtherWordsAreNobodys) {
  const auto token = add_token(file_, "alice", "read", "").value();
  const auto table = token_table::read(file_).value();
  EXPECT_FALSE(table.bearer_of(""));
  EXPECT_FALSE(table.bearer_of(token + "x"));
  EXPECT_FALSE(table.bearer_of(token.substr(1)));
  EXPECT_FALSE(table.bearer_of("alice"));
}

TEST_F(TokensTest, TheHashIsPlainSha256) {
  // Of "abc": FIPS 180-2, appendix B.1.
  const auto table = write(
      "bob admin "
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n");
  ASSERT_TRUE(table) << table.error().context;
  EXPECT_EQ(table.value().bearer_of("abc")->token, "bob");
}

TEST_F(TokensTest, TheFileIsForItsOwnerOnly) {
  ASSERT_TRUE(add_token(file_, "alice", "read", ""));
  struct stat found {};
  stat(file_.c_str(), &found);
  EXPECT_EQ(found.st_mode & 0777, 0600u);
  for (mode_t open : {0644, 0620, 0666, 0604})
    EXPECT_EQ(write("", open).error().code, error_code::forbidden) << open;
  EXPECT_TRUE(write("", 0640)) << "a group may read hashes";
}

TEST_F(TokensTest, ReplacingKeepsTheMode) {
  ASSERT_TRUE(write("# ours\n", 0640));
  ASSERT_TRUE(add_token(file_, "alice", "read", ""));
  struct stat found {};
  stat(file_.c_str(), &found);
  EXPECT_EQ(found.st_mode & 0777, 0640u);
  EXPECT_THAT(text(), HasSubstr("# ours\n"));
}

TEST_F(TokensTest, NoFileIsAnEmptyTable) {
  EXPECT_EQ(token_table::read(file_).value().size(), 0u);
}

TEST_F(TokensTest, LinesThatAreNoneAreRefusedWithTheirPlace) {
  const std::string hash(64, 'a');
  const std::vector<std::string> lines{"alice",
                                       "alice read " + hash + " lab extra",
                                       "alice write " + hash,
                                       "al/ice read " + hash,
                                       "alice read abc",
                                       "alice read " + std::string(64, 'g'),
                                       "alice , " + hash,
                                       "alice read " + hash + " a,,b"};
  for (const auto& line : lines) {
    const auto refused = write("# first\n" + line + "\n");
    ASSERT_FALSE(refused) << line;
    EXPECT_THAT(refused.error().context, HasSubstr(file_.string() + ":2: "))
        << line;
  }
}

TEST_F(TokensTest, ANameIsGivenOnce) {
  ASSERT_TRUE(add_token(file_, "alice", "read", ""));
  EXPECT_EQ(add_token(file_, "alice", "read", "").error().code,
            error_code::already_exists);
  const std::string line = "bob read " + std::string(64, 'a') + "\n";
  EXPECT_FALSE(write(line + line));
}

TEST_F(TokensTest, ARemovedTokenIsNobodys) {
  const auto alices = add_token(file_, "alice", "read", "").value();
  const auto bobs = add_token(file_, "bob", "read", "").value();
  ASSERT_TRUE(remove_token(file_, "alice"));
  const auto table = token_table::read(file_).value();
  EXPECT_FALSE(table.bearer_of(alices));
  EXPECT_TRUE(table.bearer_of(bobs));
  EXPECT_EQ(remove_token(file_, "alice").error().code, error_code::not_found);
}

}  // namespace
}  // namespace lamina

#include "client/cli/advice.hpp"

#include <gtest/gtest.h>

#include <set>

namespace lamina::cli {
namespace {

TEST(Advice, EveryCodeHasItsOwn) {
  std::set<std::string_view> seen;
  const int last = static_cast<int>(error_code::internal);
  for (int code = 1; code <= last; ++code) {
    const auto advice = advice_for(static_cast<error_code>(code));
    EXPECT_FALSE(advice.empty()) << code;
    seen.insert(advice);
  }
  EXPECT_EQ(seen.size(), static_cast<std::size_t>(last));
  EXPECT_FALSE(advice_for(static_cast<error_code>(999)).empty());
}

TEST(Sentence, SaysCodeWhatAndWhatToTry) {
  EXPECT_EQ(sentence_for({error_code::not_found, "no conversation 1"}),
            "lamina: not_found: no conversation 1. Try: see lamina "
            "conversations list and lamina models.\n");
}

TEST(Sentence, SaysWhenToTryAgain) {
  EXPECT_NE(sentence_for({error_code::overloaded, "full", 350})
                .find("Try: again in 350 ms, or "),
            std::string::npos);
  EXPECT_NE(sentence_for({error_code::overloaded, "full", 1'200})
                .find("Try: again in 2 s, or "),
            std::string::npos);
}

TEST(Sentence, ConnectingNamesTheAddress) {
  EXPECT_EQ(
      sentence_for_connecting({error_code::unavailable, "nobody"}, "unix:/s"),
      "lamina: unavailable: nobody. Try: start the daemon with laminad "
      "--listen unix:/s, or name another with --endpoint.\n");
}

TEST(Sentence, CannotCommandTheTerminal) {
  EXPECT_EQ(sentence_for({error_code::not_found, "\x1b[2J"}).find('\x1b'),
            std::string::npos);
}

TEST(ExitCode, TellsTheCommandLineTheDaemonAndTheRestApart) {
  const error nonsense{error_code::invalid_argument, "no endpoint"};
  const error nobody{error_code::unavailable, "nobody listens"};
  const error newer{error_code::unsupported_version, "version 2"};
  const error unwritten{error_code::io_error, "no space"};
  EXPECT_EQ(exit_code_for(nonsense, false, false), exit_code::usage);
  EXPECT_EQ(exit_code_for(nonsense, false, true), exit_code::usage);
  EXPECT_EQ(exit_code_for(nonsense, true, true), exit_code::failed);
  EXPECT_EQ(exit_code_for(nobody, false, true), exit_code::no_daemon);
  EXPECT_EQ(exit_code_for(nobody, true, true), exit_code::failed);
  EXPECT_EQ(exit_code_for(newer, false, true), exit_code::failed);
  EXPECT_EQ(exit_code_for(unwritten, false, false), exit_code::failed);
}

}  // namespace
}  // namespace lamina::cli

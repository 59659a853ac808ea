// What the configuration file may say, and how it is refused.
#include "daemon/configuration.hpp"

#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "daemon/settings.hpp"

namespace lamina {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

class ConfigurationTest : public testing::Test {
 protected:
  ConfigurationTest() {
    std::string pattern = testing::TempDir() + "lamina-configuration-XXXXXX";
    directory_ = mkdtemp(pattern.data());
    file_ = directory_ / "lamina.yaml";
  }
  ~ConfigurationTest() override { std::filesystem::remove_all(directory_); }

  result<configuration> read(const std::string& text) {
    std::ofstream(file_) << text;
    return read_configuration(file_);
  }

  /// The refusal, without the file's name.
  std::string refusal(const std::string& text) {
    const auto outcome = read(text);
    if (outcome) return "accepted";
    EXPECT_EQ(outcome.error().code, error_code::invalid_argument);
    const auto& sentence = outcome.error().context;
    EXPECT_THAT(sentence, StartsWith(file_.string() + ":"));
    return sentence.substr(file_.string().size() + 1);
  }

  result<configuration> configured(const std::string& text,
                                   configuration_options options = {}) {
    std::ofstream(file_) << text;
    options.config = file_;
    return configure(options);
  }

  std::filesystem::path directory_;
  std::filesystem::path file_;
};

TEST_F(ConfigurationTest, ReadsWhatThereIsAndLeavesTheRest) {
  const auto c = read("cache:\n  memory: {max_size_mb: 64}\nthreads: 3\n");
  ASSERT_TRUE(c) << c.error().context;
  EXPECT_EQ(c.value().memory_bytes_max, std::uint64_t{64} << 20);
  EXPECT_EQ(c.value().threads, 3);
  EXPECT_EQ(c.value().drain_ms, configuration{}.drain_ms);
}

TEST_F(ConfigurationTest, AnUnknownKeyIsRefusedWithTheNearestKnownOne) {
  EXPECT_EQ(refusal("threads: 2\nlog_levle: info\n"),
            "2: unknown key 'log_levle' in the configuration: did you mean "
            "'log_level'?");
  EXPECT_THAT(refusal("cache:\n  memory:\n    max_size_gb: 1\n"),
              EndsWith("in cache.memory: did you mean 'max_size_mb'?"));
  EXPECT_THAT(refusal("models:\n  - {nam: a, path: b}\n"),
              EndsWith("in an entry of models: did you mean 'name'?"));
}

TEST_F(ConfigurationTest, AKeyInTheWrongPlaceIsSentToItsOwn) {
  EXPECT_THAT(refusal("disk_days: 3\n"),
              EndsWith("did you mean 'cache.ttl.disk_days'?"));
}

TEST_F(ConfigurationTest, AKeyLikeNoOtherIsRefusedWithAllThatAreKnown) {
  EXPECT_EQ(refusal("cache: {prefetch: {colour: blue}}\n"),
            "1: unknown key 'colour' in cache.prefetch: known are enabled, "
            "range");
}

TEST_F(ConfigurationTest, AWrongTypeIsRefusedWithWhatWasExpected) {
  EXPECT_EQ(refusal("\n\nthreads: many\n"), "3: 'many' is not 0 to 1024");
  EXPECT_EQ(refusal("threads: [1]\n"), "1: a list is not 0 to 1024");
  EXPECT_EQ(refusal("threads:\n"), "1: nothing is not 0 to 1024");
  EXPECT_EQ(refusal("cache: 7\n"),
            "1: cache must be a mapping of keys to values");
  EXPECT_EQ(refusal("cache: {prefetch: {enabled: 3}}\n"),
            "1: '3' is not true or false");
}

TEST_F(ConfigurationTest, AnImpossibleValueIsRefused) {
  for (const char* text :
       {"threads: -1", "threads: 1025", "threads: 1.5", "threads: 0x10",
        "kv_cache_mb: 0", "kv_cache_mb: 16777217", "drain_ms: 86400001",
        "cache: {disk: {max_size_gb: .nan}}", "log_level: loud",
        "backpressure: push", "socket_mode: 0777",
        "cache: {memory: {eviction_policy: fifo}}",
        "models: [{name: a, path: b, dtype: int8}]",
        "models: [{name: a, path: b, weights: int4}]",
        "models: [{name: a, path: b, device: gpu}]", "listen: []",
        "listen: ftp://x", "tls: {certificate: ''}"})
    EXPECT_NE(refusal(text), "accepted") << text;
}

TEST_F(ConfigurationTest, WeightsOfEightBitsAreNoDtype) {
  EXPECT_EQ(refusal("models: [{name: a, path: b, dtype: int8}]"),
            "1: 'int8' is not float32, bfloat16 or float16: dtype is what is "
            "computed in; weights: int8 quantises what is multiplied");
  EXPECT_EQ(refusal("models: [{name: a, path: b, weights: int4}]"),
            "1: 'int4' is not stored or int8");
}

TEST_F(ConfigurationTest, AKeyGivenTwiceIsRefused) {
  EXPECT_EQ(refusal("threads: 1\nthreads: 2\n"),
            "2: 'threads' is given twice in the configuration");
}

TEST_F(ConfigurationTest, ModelsNeedANameOfTheirOwnAndAPath) {
  EXPECT_THAT(refusal("models: [{name: a}]"), HasSubstr("a name and a path"));
  EXPECT_THAT(
      refusal("models:\n  - {name: a, path: b}\n  - {name: a, path: c}"),
      StartsWith("3: two models are called 'a'"));
}

// Whether it is there, the model's actor asks.
TEST_F(ConfigurationTest, ADeviceIsReadAndShownAsItIsWritten) {
  const auto c = read(
                     "models:\n  - {name: a, path: b, device: cuda:1}\n"
                     "  - {name: c, path: d}\n")
                     .value();
  EXPECT_EQ(to_string(c.models[0].device), "cuda:1");
  EXPECT_EQ(to_string(c.models[1].device), "cpu");
  EXPECT_EQ(refusal("models: [{name: a, path: b, device: gpu}]"),
            "1: 'gpu' is not cpu, cuda, cuda:N or torch");
}

TEST_F(ConfigurationTest, TextThatIsNoYamlIsRefusedWithItsLine) {
  EXPECT_THAT(refusal("threads: 1\n  models: ]\n"), StartsWith("2: "));
}

TEST_F(ConfigurationTest, AFileThatIsNotThereIsNotFound) {
  EXPECT_EQ(read_configuration(directory_ / "nothing").error().code,
            error_code::not_found);
}

TEST_F(ConfigurationTest, ListensOnOneAddressOrSeveral) {
  EXPECT_THAT(read("listen: unix:/a\n").value().listen, ElementsAre("unix:/a"));
  EXPECT_THAT(read("listen: [unix:/a, tcp://127.0.0.1:1]\n").value().listen,
              ElementsAre("unix:/a", "tcp://127.0.0.1:1"));
  EXPECT_THAT(refusal("listen: [unix:/a, unix:/a]\n"),
              HasSubstr("listed twice"));
}

TEST_F(ConfigurationTest, ClearTextBeyondThisMachineMustBeForced) {
  const std::string open = "state_dir: /s\nlisten: tcp://0.0.0.0:7345\n";
  const auto refused = configured(open);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().context, HasSubstr(":2: tcp://0.0.0.0:7345"));
  EXPECT_TRUE(configured(open + "allow_plain_tcp: true\n"));
  EXPECT_TRUE(configured("state_dir: /s\nlisten: tcp://127.0.0.1:7345\n"));
}

TEST_F(ConfigurationTest, TlsNeedsItsFiles) {
  const auto missing = configured("state_dir: /s\nlisten: tls://[::]:1\n");
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().context, HasSubstr("tls.certificate"));
  EXPECT_FALSE(configured("state_dir: /s\ntls: {certificate: c}\n"));
  EXPECT_TRUE(
      configured("state_dir: /s\nlisten: tls://[::]:1\n"
                 "tls: {certificate: c, key: k}\n"));
}

TEST_F(ConfigurationTest, SaysWhereEachValueCameFrom) {
  configuration_options options;
  options.log_level = "warn";
  const auto c = configured("state_dir: /s\nthreads: 2\n", options).value();
  const auto document = nlohmann::json::parse(describe(c));
  EXPECT_EQ(document.at("settings").size(), settings().size());
  std::map<std::string, nlohmann::json> by_key;
  for (const auto& s : document.at("settings"))
    by_key[s.at("key")] = s;
  EXPECT_EQ(by_key["threads"]["source"], file_.string() + ":2");
  EXPECT_EQ(by_key["threads"]["value"], 2);
  EXPECT_EQ(by_key["log_level"]["source"], "--log-level");
  EXPECT_EQ(by_key["drain_ms"]["source"], "default");
  EXPECT_EQ(by_key["listen"]["value"][0], "unix:/s/lamina.sock");
}

TEST_F(ConfigurationTest, AReloadTakesWhatIsLiveAndNamesWhatIsNot) {
  const auto running = configured("state_dir: /s\nthreads: 2\n").value();
  const auto fresh =
      configured("state_dir: /s\nthreads: 4\ndrain_ms: 5\n").value();
  std::vector<std::string> ignored;
  const auto now = reconfigured(running, fresh, ignored);
  EXPECT_EQ(now.drain_ms, 5u);
  EXPECT_EQ(now.sources.at("drain_ms"), file_.string() + ":3");
  EXPECT_EQ(now.threads, 2);
  EXPECT_THAT(ignored, ElementsAre("threads"));
}

TEST_F(ConfigurationTest, AReloadGoesBackToDefaults) {
  const auto running = configured("state_dir: /s\ndrain_ms: 5\n").value();
  const auto fresh = configured("state_dir: /s\n").value();
  std::vector<std::string> ignored;
  const auto now = reconfigured(running, fresh, ignored);
  EXPECT_EQ(now.drain_ms, configuration{}.drain_ms);
  EXPECT_FALSE(now.sources.contains("drain_ms"));
  EXPECT_THAT(ignored, ElementsAre());
}

TEST_F(ConfigurationTest, EveryLiveKeyCanBeTakenOver) {
  for (const auto& s : settings())
    if (s.when == takes_effect::live) {
      EXPECT_TRUE(s.copy) << s.key;
    }
}

}  // namespace
}  // namespace lamina

// The kinds of settings that the tables are made of: each says what it expects,
// reads it and shows it. For the files that hold the tables only.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>

#include "daemon/nearest_word.hpp"
#include "daemon/settings.hpp"

namespace lamina::kinds {

using nlohmann::json;
using std::uint32_t;
using std::uint64_t;

inline constexpr auto live = takes_effect::live;
inline constexpr auto at_start = takes_effect::at_start;

/// "unknown KIND 'WORD': did you mean ...?"
inline std::string unknown_word(const std::string& kind,
                                const std::string& text,
                                const std::vector<std::string>& known) {
  auto sentence = "unknown " + kind + " '" + text + "': ";
  if (auto near = nearest_word(text, known); !near.empty())
    return sentence + "did you mean '" + near + "'?";
  sentence += "known are";
  for (const auto& word : known)
    sentence += " " + word;
  return sentence;
}

/// A key whose value is one member.
template <class Value>
setting of(
    std::string key, std::string expected, Value configuration::*member,
    takes_effect when, std::function<result<Value>(const yaml_value&)> parse,
    std::function<json(const Value&)> show = [](const Value& v) {
      return json(v);
    }) {
  setting s;
  s.key = std::move(key);
  s.expected = std::move(expected);
  s.read = [member, parse](const yaml_value& v,
                           configuration& c) -> result<void> {
    BOOST_OUTCOME_TRY(value, parse(v));
    c.*member = std::move(value);
    return success();
  };
  s.show = [member, show](const configuration& c) { return show(c.*member); };
  s.when = when;
  s.copy = [member](configuration& to, const configuration& from) {
    to.*member = from.*member;
  };
  return s;
}

inline setting flag(std::string key, bool configuration::*member,
                    takes_effect when) {
  return of<bool>(std::move(key), "true or false", member, when,
                  [](const yaml_value& v) { return v.truth(); });
}

template <class Whole>
setting whole(std::string key, std::string expected,
              Whole configuration::*member, uint64_t most, takes_effect when) {
  return of<Whole>(std::move(key), expected, member, when,
                   [most, expected](const yaml_value& v) -> result<Whole> {
                     BOOST_OUTCOME_TRY(number, v.whole(0, most, expected));
                     return static_cast<Whole>(number);
                   });
}

/// Shown as null when it is left to the daemon.
inline setting megabytes(std::string key, uint64_t configuration::*member,
                         takes_effect when) {
  const std::string expected = "a number of megabytes from 1 to 16777216";
  return of<uint64_t>(
      std::move(key), expected, member, when,
      [expected](const yaml_value& v) -> result<uint64_t> {
        BOOST_OUTCOME_TRY(number, v.whole(1, 1u << 24, expected));
        return number << 20;
      },
      [](const uint64_t& bytes) {
        return bytes == 0 ? json() : json(bytes >> 20);
      });
}

/// Shown as null when there is no limit.
inline setting gigabytes(std::string key, uint64_t configuration::*member) {
  const std::string expected = "a number of gigabytes from 0.001 to 16777216";
  constexpr double gigabyte = uint64_t{1} << 30;
  return of<uint64_t>(
      std::move(key), expected, member, live,
      [expected](const yaml_value& v) -> result<uint64_t> {
        BOOST_OUTCOME_TRY(number, v.number(0.001, 1u << 24, expected));
        return static_cast<uint64_t>(number * gigabyte);
      },
      [](const uint64_t& bytes) {
        return bytes == 0 ? json()
                          : json(static_cast<double>(bytes) / gigabyte);
      });
}

/// One word of a few.
template <class Value>
setting word(std::string key, std::string expected,
             Value configuration::*member,
             std::function<std::optional<Value>(const std::string&)> named,
             std::function<json(const Value&)> show, takes_effect when) {
  return of<Value>(
      std::move(key), expected, member, when,
      [named, expected](const yaml_value& v) -> result<Value> {
        BOOST_OUTCOME_TRY(text, v.text(expected));
        if (auto value = named(text)) return *value;
        return v.refusal("'" + text + "' is not " + expected);
      },
      std::move(show));
}

inline setting path(std::string key, std::string expected,
                    std::filesystem::path configuration::*member,
                    takes_effect when) {
  return of<std::filesystem::path>(
      std::move(key), expected, member, when,
      [expected](const yaml_value& v) -> result<std::filesystem::path> {
        BOOST_OUTCOME_TRY(text, v.text(expected));
        return std::filesystem::path(text);
      },
      [](const std::filesystem::path& p) {
        return p.empty() ? json() : json(p.string());
      });
}

}  // namespace lamina::kinds

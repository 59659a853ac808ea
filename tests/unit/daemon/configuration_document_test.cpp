// docs/configuration.md is the reference of the configuration: its table is
// held against the code, row by row.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "daemon/settings.hpp"

namespace lamina {
namespace {

/// "| `key` | a | b | c | d |" as {a, b, c, d}, by key.
std::map<std::string, std::vector<std::string>> rows_of(
    const std::string& file) {
  std::map<std::string, std::vector<std::string>> rows;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with("| `")) continue;
    std::vector<std::string> cells;
    std::istringstream cut(line.substr(2));
    for (std::string cell; std::getline(cut, cell, '|');) {
      const auto first = cell.find_first_not_of(' ');
      const auto last = cell.find_last_not_of(' ');
      cells.push_back(first == std::string::npos
                          ? ""
                          : cell.substr(first, last - first + 1));
    }
    const auto key = cells.front().substr(1, cells.front().size() - 2);
    EXPECT_FALSE(rows.contains(key)) << key << " has two rows";
    rows[key].assign(cells.begin() + 1, cells.end());
  }
  return rows;
}

TEST(ConfigurationDocument, HasEveryKeyAsTheCodeHasIt) {
  auto rows = rows_of(LAMINA_SOURCE_DIR "/docs/configuration.md");
  for (const auto& s : settings()) {
    ASSERT_TRUE(rows.contains(s.key)) << s.key << " is not in the reference";
    const auto& row = rows[s.key];
    EXPECT_EQ(row[0], s.expected) << s.key;
    const auto standard = s.show(configuration{});
    // What depends on the machine is said in words.
    const bool in_words =
        standard.is_null() || standard.is_array() || s.key == "state_dir";
    if (!in_words) {
      const auto text =
          standard.is_string() ? standard.get<std::string>() : standard.dump();
      EXPECT_EQ(row[1], "`" + text + "`") << s.key;
    }
    EXPECT_EQ(row[2], s.when == takes_effect::live ? "reload" : "restart")
        << s.key;
    EXPECT_FALSE(row[3].empty()) << s.key;
    rows.erase(s.key);
  }
  for (const auto& m : model_settings()) {
    ASSERT_TRUE(rows.contains("models[]." + m.key)) << m.key;
    EXPECT_EQ(rows["models[]." + m.key][0], m.expected) << m.key;
    rows.erase("models[]." + m.key);
  }
  for (const auto& [key, row] : rows)
    ADD_FAILURE() << key << " is in the reference, but not in the code";
}

}  // namespace
}  // namespace lamina

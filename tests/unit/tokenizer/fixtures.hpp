// Directories with a tokenizer.json for tests: the recorded ones, and edited
// copies that vanish with the test.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "actors/model/tokenizer/tokenizer.hpp"

namespace lamina::test {

inline std::filesystem::path golden(const std::string& name) {
  return std::filesystem::path(LAMINA_SOURCE_DIR) / "tests/goldens/tokenizer" /
         name;
}

inline std::string text_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

class temporary_directory {
 public:
  temporary_directory() {
    std::string name =
        (std::filesystem::temp_directory_path() / "tokenizer-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~temporary_directory() { std::filesystem::remove_all(path_); }
  temporary_directory(const temporary_directory&) = delete;
  temporary_directory& operator=(const temporary_directory&) = delete;

  const std::filesystem::path& path() const { return path_; }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(path_ / name, std::ios::binary) << text;
  }

 private:
  std::filesystem::path path_;
};

inline result<tokenizer_ptr> load_text(const std::string& text) {
  const temporary_directory directory;
  directory.write("tokenizer.json", text);
  return tokenizer::load(directory.path());
}

using edit = std::function<void(nlohmann::json&)>;

/// The recorded tokenizer "words" with something changed.
inline result<tokenizer_ptr> load_edited(const edit& change) {
  auto document =
      nlohmann::json::parse(text_of(golden("words/tokenizer.json")));
  change(document);
  return load_text(document.dump());
}

inline std::string decode(const tokenizer& t,
                          const std::vector<token_id>& ids) {
  std::string bytes;
  for (const token_id id : ids)
    bytes += t.bytes_of(id);
  return bytes;
}

}  // namespace lamina::test

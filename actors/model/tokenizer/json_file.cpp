#include "actors/model/tokenizer/json_file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

namespace lamina {

namespace {

const nlohmann::json null_value;

/// Nesting by brackets outside strings: found before the parser takes memory.
int nesting_of(const std::string& text) {
  int depth = 0;
  int deepest = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      deepest = std::max(deepest, ++depth);
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return deepest;
}

}  // namespace

result<std::string> read_text_file(const std::filesystem::path& file,
                                   std::uintmax_t bytes_max) {
  std::error_code failed;
  if (!std::filesystem::exists(file, failed))
    return fail(error_code::not_found, "no such file");
  if (!std::filesystem::is_regular_file(file, failed))
    return fail(error_code::io_error, "not a regular file");
  const auto size = std::filesystem::file_size(file, failed);
  if (failed) return fail(error_code::io_error, failed.message());
  if (size > bytes_max)
    return fail(error_code::limit_exceeded,
                std::to_string(size) + " bytes, at most " +
                    std::to_string(bytes_max) + " are read");
  std::ifstream in(file, std::ios::binary);
  if (!in) return fail(error_code::io_error, std::strerror(errno));
  std::string text(size, '\0');
  in.read(text.data(), static_cast<std::streamsize>(size));
  if (in.gcount() != static_cast<std::streamsize>(size))
    return fail(error_code::io_error, "could not read all of it");
  return text;
}

result<nlohmann::json> parse_json(const std::string& text) {
  if (nesting_of(text) > json_depth_max)
    return fail(error_code::limit_exceeded,
                "nested deeper than " + std::to_string(json_depth_max));
  try {
    return nlohmann::json::parse(text);
  } catch (const nlohmann::json::exception& e) {
    return fail(error_code::corrupt, std::string("not JSON: ") + e.what());
  }
}

json_place json_place::at(const char* key) const {
  const std::string path = path_.empty() ? key : path_ + "." + key;
  if (!value_->is_object()) return {null_value, path};
  const auto found = value_->find(key);
  return {found == value_->end() ? null_value : *found, path};
}

json_place json_place::at(std::size_t index) const {
  return {(*value_)[index], path_ + "[" + std::to_string(index) + "]"};
}

bool json_place::is_blank() const {
  return value_->is_null() ||
         (value_->is_string() && value_->get_ref<const std::string&>().empty());
}

result<std::string> json_place::text() const {
  if (!value_->is_string()) return wrong(error_code::corrupt, "not a string");
  return value_->get_ref<const std::string&>();
}

result<bool> json_place::boolean(bool when_missing) const {
  if (value_->is_null()) return when_missing;
  if (!value_->is_boolean())
    return wrong(error_code::corrupt, "neither true nor false");
  return value_->get<bool>();
}

result<std::uint32_t> json_place::id(std::uint32_t max) const {
  if (!value_->is_number_unsigned())
    return wrong(error_code::corrupt, "not a token id");
  const auto id = value_->get<std::uint64_t>();
  if (id > max)
    return wrong(
        error_code::limit_exceeded,
        "id " + std::to_string(id) + " is beyond " + std::to_string(max));
  return static_cast<std::uint32_t>(id);
}

result<void> json_place::must_be_array() const {
  if (value_->is_array()) return success();
  return wrong(error_code::corrupt, is_null() ? "missing" : "not an array");
}

result<void> json_place::must_be_object() const {
  if (value_->is_object()) return success();
  return wrong(error_code::corrupt, is_null() ? "missing" : "not an object");
}

error json_place::wrong(error_code code, const std::string& what) const {
  return {code, (path_.empty() ? "the file" : path_) + ": " + what};
}

}  // namespace lamina

// Reading a JSON file that nobody vouches for: bounds on size and nesting, and
// errors that name the place ("model.merges[17]"). Any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "protocol/error.hpp"

namespace lamina {

/// A whole file of at most `bytes_max`. not_found, io_error, limit_exceeded.
result<std::string> read_text_file(const std::filesystem::path& file,
                                   std::uintmax_t bytes_max);

/// Levels of nesting that a tokenizer.json may have; published ones have 6.
inline constexpr int json_depth_max = 64;

/// corrupt when it is no JSON, limit_exceeded when it nests deeper.
result<nlohmann::json> parse_json(const std::string& text);

/// A value together with where it stands.
class json_place {
 public:
  json_place(const nlohmann::json& value, std::string path)
      : value_(&value), path_(std::move(path)) {}

  const nlohmann::json& value() const { return *value_; }
  const std::string& path() const { return path_; }

  /// Missing members read as null.
  json_place at(const char* key) const;
  json_place at(std::size_t index) const;

  bool is_null() const { return value_->is_null(); }
  /// Null, or an empty string.
  bool is_blank() const;

  /// corrupt when the value is of another type.
  result<std::string> text() const;
  result<bool> boolean(bool when_missing) const;
  result<std::uint32_t> id(std::uint32_t max) const;
  result<void> must_be_array() const;
  result<void> must_be_object() const;

  /// "model.type: <what>"
  error wrong(error_code code, const std::string& what) const;

 private:
  const nlohmann::json* value_;
  std::string path_;
};

}  // namespace lamina

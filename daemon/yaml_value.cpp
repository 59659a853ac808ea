#include "daemon/yaml_value.hpp"

#include <charconv>
#include <cmath>

namespace lamina {
namespace {

/// What stands there, short enough for a sentence.
std::string shown(const YAML::Node& node) {
  constexpr std::size_t shown_bytes_max = 80;
  switch (node.Type()) {
    case YAML::NodeType::Scalar: {
      const auto& text = node.Scalar();
      return text.size() <= shown_bytes_max
                 ? "'" + text + "'"
                 : "'" + text.substr(0, shown_bytes_max) + "...'";
    }
    case YAML::NodeType::Sequence:
      return "a list";
    case YAML::NodeType::Map:
      return "a mapping";
    default:
      return "nothing";
  }
}

template <class Number>
bool parse_all(const std::string& text, Number& number) {
  const char* last = text.data() + text.size();
  const auto [end, problem] = std::from_chars(text.data(), last, number);
  return problem == std::errc{} && end == last;
}

}  // namespace

std::string yaml_value::place() const {
  return file_ + ":" + std::to_string(node_.Mark().line + 1);
}

error yaml_value::refusal(const std::string& what) const {
  return {error_code::invalid_argument, place() + ": " + what};
}

error yaml_value::unlike(std::string_view expected) const {
  return refusal(shown(node_) + " is not " + std::string(expected));
}

result<std::string> yaml_value::text(std::string_view expected) const {
  if (!node_.IsScalar() || node_.Scalar().empty()) return unlike(expected);
  return node_.Scalar();
}

result<bool> yaml_value::truth() const {
  bool value = false;
  if (!node_.IsScalar() || !YAML::convert<bool>::decode(node_, value))
    return unlike("true or false");
  return value;
}

result<std::uint64_t> yaml_value::whole(std::uint64_t least, std::uint64_t most,
                                        std::string_view expected) const {
  std::uint64_t value = 0;
  if (!node_.IsScalar() || !parse_all(node_.Scalar(), value) || value < least ||
      value > most)
    return unlike(expected);
  return value;
}

result<double> yaml_value::number(double least, double most,
                                  std::string_view expected) const {
  double value = 0;
  if (!node_.IsScalar() || !parse_all(node_.Scalar(), value) ||
      !std::isfinite(value) || value < least || value > most)
    return unlike(expected);
  return value;
}

}  // namespace lamina

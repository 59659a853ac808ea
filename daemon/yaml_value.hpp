// One value of a YAML file that knows where it stands: every refusal says
// FILE:LINE, what is there and what was expected. Errors are invalid_argument.
#pragma once

#include <yaml-cpp/yaml.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/error.hpp"

namespace lamina {

class yaml_value {
 public:
  yaml_value(std::string file, YAML::Node node)
      : file_(std::move(file)), node_(std::move(node)) {}

  const YAML::Node& node() const { return node_; }
  yaml_value at(const YAML::Node& node) const { return {file_, node}; }

  /// "FILE:LINE", lines from 1.
  std::string place() const;
  error refusal(const std::string& what) const;

  /// A scalar that is not empty.
  result<std::string> text(std::string_view expected) const;
  /// "true" or "false", as YAML spells them.
  result<bool> truth() const;
  /// A whole number in decimal.
  result<std::uint64_t> whole(std::uint64_t least, std::uint64_t most,
                              std::string_view expected) const;
  /// A finite number.
  result<double> number(double least, double most,
                        std::string_view expected) const;

 private:
  /// "'VALUE' is not EXPECTED".
  error unlike(std::string_view expected) const;

  std::string file_;
  YAML::Node node_;
};

}  // namespace lamina

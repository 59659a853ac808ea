// Reads a mapping of a YAML file by a table of keys (settings.hpp). A key with
// dots is a mapping within a mapping; every other key is refused, with the one
// that was probably meant.
#pragma once

#include <algorithm>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "daemon/settings.hpp"

namespace lamina {

/// Calls `take` with the full name and the value of each key that `known` has.
/// `where` is what the mapping is called in refusals.
result<void> walk_section(
    const yaml_value& section, const std::string& where,
    const std::vector<std::string>& known, const std::string& prefix,
    const std::function<result<void>(const std::string& key,
                                     const yaml_value&)>& take);

template <class Target>
result<void> read_section(const yaml_value& section, const std::string& where,
                          const std::vector<key_of<Target>>& keys,
                          Target& target,
                          std::map<std::string, std::string>* sources = {}) {
  std::vector<std::string> known;
  for (const auto& k : keys)
    known.push_back(k.key);
  return walk_section(
      section, where, known, "",
      [&](const std::string& key, const yaml_value& value) -> result<void> {
        const auto k = std::ranges::find(keys, key, &key_of<Target>::key);
        BOOST_OUTCOME_TRYV(k->read(value, target));
        if (sources) (*sources)[key] = value.place();
        return success();
      });
}

}  // namespace lamina

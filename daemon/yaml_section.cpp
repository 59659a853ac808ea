#include "daemon/yaml_section.hpp"

#include "daemon/nearest_word.hpp"

namespace lamina {
namespace {

std::string last_part(const std::string& key) {
  return key.substr(key.rfind('.') + 1);
}

/// The keys directly below `prefix`, mappings among them.
std::vector<std::string> keys_below(const std::vector<std::string>& known,
                                    const std::string& prefix) {
  std::set<std::string> found;
  for (const auto& key : known)
    if (key.starts_with(prefix))
      found.insert(key.substr(prefix.size(),
                              key.find('.', prefix.size()) - prefix.size()));
  return {found.begin(), found.end()};
}

/// What was probably meant: a slip of the pen, or a key of another mapping.
std::string suggestion(const std::string& name,
                       const std::vector<std::string>& known,
                       const std::string& prefix) {
  const auto here = keys_below(known, prefix);
  if (auto near = nearest_word(name, here); !near.empty())
    return "did you mean '" + near + "'?";
  for (const auto& key : known)
    if (last_part(key) == name) return "did you mean '" + key + "'?";
  std::string list;
  for (const auto& key : here)
    list += (list.empty() ? "" : ", ") + key;
  return "known are " + list;
}

}  // namespace

result<void> walk_section(
    const yaml_value& section, const std::string& where,
    const std::vector<std::string>& known, const std::string& prefix,
    const std::function<result<void>(const std::string& key,
                                     const yaml_value&)>& take) {
  if (!section.node().IsMap())
    return section.refusal(where + " must be a mapping of keys to values");
  std::set<std::string> seen;
  for (const auto& entry : section.node()) {
    if (!entry.first.IsScalar())
      return section.at(entry.first).refusal("a key must be a word");
    const auto name = entry.first.Scalar();
    const auto key = prefix + name;
    if (!seen.insert(name).second)
      return section.at(entry.first)
          .refusal("'" + name + "' is given twice in " + where);
    if (std::ranges::find(known, key) != known.end()) {
      BOOST_OUTCOME_TRYV(take(key, section.at(entry.second)));
    } else if (std::ranges::any_of(known, [&](const std::string& k) {
                 return k.starts_with(key + ".");
               })) {
      BOOST_OUTCOME_TRYV(
          walk_section(section.at(entry.second), key, known, key + ".", take));
    } else {
      return section.at(entry.first)
          .refusal("unknown key '" + name + "' in " + where + ": " +
                   suggestion(name, known, prefix));
    }
  }
  return success();
}

}  // namespace lamina

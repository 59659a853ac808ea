// What is hosted.
#include "daemon/setting_kinds.hpp"
#include "daemon/yaml_section.hpp"

namespace lamina {

using namespace kinds;

namespace {

json show_model(const configured_model& m) {
  json shown = json::object();
  for (const auto& key : model_settings()) {
    auto value = key.show(m);
    if (!value.is_null()) shown[key.key] = std::move(value);
  }
  return shown;
}

result<configured_model> read_model(const yaml_value& entry) {
  configured_model m;
  BOOST_OUTCOME_TRYV(
      read_section(entry, "an entry of models", model_settings(), m));
  if (m.name.empty() || m.directory.empty())
    return entry.refusal("a model needs a name and a path");
  return m;
}

result<std::vector<configured_model>> read_models(const yaml_value& v) {
  if (!v.node().IsSequence())
    return v.refusal("expected a list of models, each with name and path");
  std::vector<configured_model> models;
  for (const auto& item : v.node()) {
    BOOST_OUTCOME_TRY(m, read_model(v.at(item)));
    for (const auto& other : models)
      if (other.name == m.name)
        return v.at(item).refusal("two models are called '" + m.name + "'");
    models.push_back(std::move(m));
  }
  return models;
}

/// Files by a name that a client may say.
result<void> read_lenses(const yaml_value& v, configured_model& m) {
  if (!v.node().IsMap()) return v.refusal("expected NAME: FILE");
  for (const auto& entry : v.node()) {
    if (!entry.first.IsScalar() || entry.first.Scalar().empty())
      return v.refusal("expected NAME: FILE");
    BOOST_OUTCOME_TRY(file, v.at(entry.second).text("a file"));
    m.lenses[entry.first.Scalar()] = file;
  }
  return success();
}

result<std::vector<std::filesystem::path>> read_roots(const yaml_value& v) {
  if (!v.node().IsSequence())
    return v.refusal("expected a list of directories");
  std::vector<std::filesystem::path> roots;
  for (const auto& item : v.node()) {
    BOOST_OUTCOME_TRY(path, v.at(item).text("an absolute path"));
    if (!path.starts_with('/'))
      return v.at(item).refusal("'" + path + "' is not an absolute path");
    roots.emplace_back(path);
  }
  return roots;
}

std::vector<model_setting> make_model_settings() {
  return {
      {"compression", "lossless, high, balanced or small",
       [](const yaml_value& v, configured_model& m) -> result<void> {
         const char* expected = "lossless, high, balanced or small";
         BOOST_OUTCOME_TRY(text, v.text(expected));
         m.kept = quality_named(text);
         if (m.kept) return success();
         return v.refusal("'" + text + "' is not " + expected);
       },
       [](const configured_model& m) {
         return m.kept ? json(to_string(*m.kept)) : json();
       }},
      {"device", "cpu, cuda, cuda:N or torch",
       [](const yaml_value& v, configured_model& m) -> result<void> {
         BOOST_OUTCOME_TRY(text, v.text("cpu, cuda, cuda:N or torch"));
         const auto device = read_device(text);
         if (!device) return v.refusal(device.error().context);
         m.device = device.value();
         return success();
       },
       [](const configured_model& m) { return json(to_string(m.device)); }},
      {"dtype", "float32, bfloat16 or float16",
       [](const yaml_value& v, configured_model& m) -> result<void> {
         const char* expected = "float32, bfloat16 or float16";
         BOOST_OUTCOME_TRY(text, v.text(expected));
         m.compute = dtype_from_string(text);
         if (m.compute) return success();
         const bool meant_weights = text == to_string(weight_format::int8);
         return v.refusal("'" + text + "' is not " + expected +
                          (meant_weights
                               ? ": dtype is what is computed in; weights: "
                                 "int8 quantises what is multiplied"
                               : ""));
       },
       [](const configured_model& m) {
         return m.compute ? json(to_string(*m.compute)) : json();
       }},
      {"name", "a name",
       [](const yaml_value& v, configured_model& m) -> result<void> {
         BOOST_OUTCOME_TRY(text, v.text("a name"));
         m.name = text;
         return success();
       },
       [](const configured_model& m) { return json(m.name); }},
      {"path", "a directory",
       [](const yaml_value& v, configured_model& m) -> result<void> {
         BOOST_OUTCOME_TRY(text, v.text("a directory"));
         m.directory = text;
         return success();
       },
       [](const configured_model& m) { return json(m.directory.string()); }},
      {"tuned_lens", "NAME: FILE", read_lenses,
       [](const configured_model& m) {
         json files = json::object();
         for (const auto& [name, file] : m.lenses)
           files[name] = file.string();
         return files.empty() ? json() : files;
       }},
      {"weights", "stored or int8",
       [](const yaml_value& v, configured_model& m) -> result<void> {
         const char* expected = "stored or int8";
         BOOST_OUTCOME_TRY(text, v.text(expected));
         const auto format = weight_format_named(text);
         if (!format) return v.refusal("'" + text + "' is not " + expected);
         m.weights = *format;
         return success();
       },
       [](const configured_model& m) {
         return m.weights == weight_format::stored ? json()
                                                   : json(to_string(m.weights));
       }},
  };
}

}  // namespace

std::vector<setting> hosting_settings() {
  using directories = std::vector<std::filesystem::path>;
  return {
      of<directories>("model_roots", "a list of absolute paths",
                      &configuration::model_roots, at_start, read_roots,
                      [](const directories& roots) {
                        json list = json::array();
                        for (const auto& root : roots)
                          list.push_back(root.string());
                        return list;
                      }),
      megabytes("model_memory_mb", &configuration::model_memory_bytes,
                at_start),
      of<std::vector<configured_model>>(
          "models", "a list of models", &configuration::models, at_start,
          read_models,
          [](const std::vector<configured_model>& models) {
            json list = json::array();
            for (const auto& m : models)
              list.push_back(show_model(m));
            return list;
          }),
  };
}

const std::vector<model_setting>& model_settings() {
  static const auto all = make_model_settings();
  return all;
}

}  // namespace lamina

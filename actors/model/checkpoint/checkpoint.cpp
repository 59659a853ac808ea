#include "actors/model/checkpoint/checkpoint.hpp"

#include <nlohmann/json.hpp>
#include <set>
#include <utility>

namespace lamina {
namespace {

using nlohmann::json;

constexpr std::size_t index_bytes_max = 64u << 20;
constexpr const char* index_name = "model.safetensors.index.json";

auto corrupt(const std::string& what) {
  return fail(error_code::corrupt, what);
}

// The distinct files of an index. A name that leads out of the directory is
// refused: an index is downloaded, not trusted.
result<std::set<std::string>> shard_names(
    const std::filesystem::path& index_path) {
  BOOST_OUTCOME_TRY(text, read_small_file(index_path, index_bytes_max));
  const json index = json::parse(text, nullptr, false);
  const std::string where = index_path.string();
  if (index.is_discarded() || !index.is_object())
    return corrupt(where + ": is not a JSON object");
  const auto map = index.find("weight_map");
  if (map == index.end() || !map->is_object())
    return corrupt(where + ": weight_map is missing");
  std::set<std::string> names;
  for (const json& value : *map) {
    if (!value.is_string())
      return corrupt(where + ": weight_map holds something else than names");
    const auto& name = value.get_ref<const std::string&>();
    if (std::filesystem::path(name).filename() != name || name.empty() ||
        name == "." || name == "..")
      return corrupt(where + ": '" + name + "' is not a file name");
    names.insert(name);
  }
  return names;
}

result<void> add_file(const std::filesystem::path& path, checkpoint& into) {
  BOOST_OUTCOME_TRY(file, mapped_file::open(path));
  auto tensors = parse_safetensors(file->bytes());
  if (!tensors) return within(path.string(), tensors.error());
  for (auto& [name, view] : tensors.value())
    if (!into.tensors.emplace(name, std::move(view)).second)
      return corrupt(path.string() + ": tensor '" + name +
                     "' is in another file too");
  into.files.push_back(std::move(file));
  return success();
}

}  // namespace

result<void> checkpoint::check_unchanged() const {
  for (const auto& file : files)
    if (!file->unchanged())
      return corrupt(file->path().string() +
                     ": changed its size while it was "
                     "being loaded");
  return success();
}

result<checkpoint> open_checkpoint(const std::filesystem::path& directory) {
  std::set<std::string> names{"model.safetensors"};
  std::error_code ignored;  // an index that cannot be seen is not there
  if (std::filesystem::exists(directory / index_name, ignored)) {
    BOOST_OUTCOME_TRY(shards, shard_names(directory / index_name));
    names = std::move(shards);
  }
  checkpoint weights;
  for (const auto& name : names) {
    BOOST_OUTCOME_TRYV(add_file(directory / name, weights));
  }
  return weights;
}

result<checkpoint> open_weight_file(const std::filesystem::path& file) {
  checkpoint weights;
  BOOST_OUTCOME_TRYV(add_file(file, weights));
  return weights;
}

digest fingerprint(std::string_view config_text, const checkpoint& weights) {
  digest_builder builder;
  builder.add(config_text);
  for (const auto& file : weights.files)
    builder.add(file->bytes());
  return builder.finish();
}

}  // namespace lamina

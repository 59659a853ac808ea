#include "actors/model/checkpoint/checkpoint.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

namespace lamina {
namespace {

using nlohmann::json;

constexpr std::size_t index_bytes_max = 64u << 20;
constexpr const char* single_name = "model.safetensors";
constexpr const char* index_name = "model.safetensors.index.json";

auto corrupt(const std::string& what) {
  return fail(error_code::corrupt, what);
}

// Which file each tensor lies in, as an index says.
using weight_map = std::map<std::string, std::string>;

// A name that leads out of the directory is refused: an index is downloaded,
// not trusted.
result<weight_map> read_index(const std::filesystem::path& index_path) {
  BOOST_OUTCOME_TRY(text, read_small_file(index_path, index_bytes_max));
  const json index = json::parse(text, nullptr, false);
  const std::string where = index_path.string();
  if (index.is_discarded() || !index.is_object())
    return corrupt(where + ": is not a JSON object");
  const auto map = index.find("weight_map");
  if (map == index.end() || !map->is_object())
    return corrupt(where + ": weight_map is missing");
  weight_map places;
  for (const auto& [tensor, value] : map->items()) {
    if (!value.is_string())
      return corrupt(where + ": weight_map holds something else than names");
    const auto& name = value.get_ref<const std::string&>();
    if (std::filesystem::path(name).filename() != name || name.empty() ||
        name == "." || name == "..")
      return corrupt(where + ": '" + name + "' is not a file name");
    places.emplace(tensor, name);
  }
  return places;
}

result<void> add_file(const std::filesystem::path& path, checkpoint& into) {
  BOOST_OUTCOME_TRY(file, mapped_file::open(path));
  auto tensors = parse_safetensors(file->bytes());
  if (!tensors) return within(path.string(), tensors.error());
  for (auto& [name, view] : tensors.value()) {
    const auto [other, fresh] = into.tensors.emplace(name, std::move(view));
    if (fresh) continue;
    return corrupt(path.string() + ": tensor '" + name + "' is in " +
                   into.file_of(other->second)->path().filename().string() +
                   " too");
  }
  into.files.push_back(std::move(file));
  return success();
}

// The files of one index, each as soon as it is named.
result<checkpoint> open_shards(const std::filesystem::path& directory,
                               const weight_map& places) {
  std::set<std::string> names;
  for (const auto& [tensor, name] : places)
    names.insert(name);
  checkpoint weights;
  for (const auto& name : names) {
    auto added = add_file(directory / name, weights);
    if (!added && added.error().code == error_code::not_found)
      return fail(error_code::not_found,
                  added.error().context + "; " + index_name + " names it");
    if (!added) return added.error();
  }
  return weights;
}

// What the index says, held against what the files have.
result<void> check_index(const std::filesystem::path& directory,
                         const weight_map& places, const checkpoint& weights) {
  const std::string where = (directory / index_name).string();
  for (const auto& [tensor, name] : places) {
    const auto found = weights.tensors.find(tensor);
    if (found == weights.tensors.end())
      return corrupt(where + ": tensor '" + tensor + "' is not in " + name);
    const auto file = weights.file_of(found->second);
    if (file->path().filename() != name)
      return corrupt(where + ": tensor '" + tensor + "' is not in " + name +
                     " but in " + file->path().filename().string());
  }
  for (const auto& [tensor, view] : weights.tensors)
    if (!places.contains(tensor))
      return corrupt(where + ": tensor '" + tensor + "' of " +
                     weights.file_of(view)->path().filename().string() +
                     " is not in weight_map");
  return success();
}

// Why there is nothing to read, in a directory without either file.
error without_weights(const std::filesystem::path& directory) {
  const auto single = directory / single_name;
  std::error_code ignored;
  for (const char* other :
       {"pytorch_model.bin", "pytorch_model.bin.index.json"})
    if (std::filesystem::exists(directory / other, ignored))
      return {error_code::not_found,
              single.string() + ": no such file; " + other +
                  " is there, but only safetensors are read"};
  return {error_code::not_found, single.string() + ": no such file"};
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

mapped_file_ptr checkpoint::file_of(const tensor_view& tensor) const {
  for (const auto& file : files) {
    const auto bytes = file->bytes();
    if (std::greater_equal<>()(tensor.bytes.data(), bytes.data()) &&
        std::less_equal<>()(tensor.bytes.data(), bytes.data() + bytes.size()))
      return file;
  }
  return nullptr;
}

std::uint64_t checkpoint::bytes() const {
  std::uint64_t sum = 0;
  for (const auto& file : files)
    sum += file->bytes().size();
  return sum;
}

std::string checkpoint::main_dtype() const {
  std::map<std::string, std::uint64_t> bytes_of;
  for (const auto& [name, tensor] : tensors)
    bytes_of[tensor.dtype] += tensor.bytes.size();
  const auto most = std::ranges::max_element(
      bytes_of, {}, &std::pair<const std::string, std::uint64_t>::second);
  return most == bytes_of.end() ? std::string() : most->first;
}

// As transformers: the single file is preferred.
result<checkpoint> open_checkpoint(const std::filesystem::path& directory) {
  std::error_code ignored;  // what cannot be seen is not there
  if (std::filesystem::exists(directory / single_name, ignored))
    return open_weight_file(directory / single_name);
  if (!std::filesystem::exists(directory / index_name, ignored))
    return without_weights(directory);
  BOOST_OUTCOME_TRY(places, read_index(directory / index_name));
  BOOST_OUTCOME_TRY(weights, open_shards(directory, places));
  BOOST_OUTCOME_TRYV(check_index(directory, places, weights));
  return weights;
}

result<checkpoint> open_weight_file(const std::filesystem::path& file) {
  checkpoint weights;
  BOOST_OUTCOME_TRYV(add_file(file, weights));
  return weights;
}

}  // namespace lamina

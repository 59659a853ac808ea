#include "actors/model/checkpoint/safetensors.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

namespace lamina {
namespace {

using nlohmann::json;

auto corrupt(const std::string& what) {
  return fail(error_code::corrupt, what);
}

// Bytes of an element; 0 for names the format does not have.
std::uint64_t element_bytes(std::string_view dtype) {
  constexpr std::pair<std::string_view, std::uint64_t> known[] = {
      {"F64", 8}, {"I64", 8}, {"U64", 8},  {"F32", 4},     {"I32", 4},
      {"U32", 4}, {"F16", 2}, {"BF16", 2}, {"I16", 2},     {"U16", 2},
      {"I8", 1},  {"U8", 1},  {"BOOL", 1}, {"F8_E4M3", 1}, {"F8_E5M2", 1}};
  for (const auto& [name, bytes] : known)
    if (name == dtype) return bytes;
  return 0;
}

// The parser's own view of the header: how deep it nests, and whether a name
// comes twice (the JSON library would silently keep the last).
struct header_check {
  std::set<std::string> names;
  std::string repeated;
  bool too_deep = false;

  bool operator()(int depth, json::parse_event_t event, const json& parsed) {
    if (depth > static_cast<int>(safetensors_depth_max)) too_deep = true;
    if (event == json::parse_event_t::key && depth == 1) {
      const auto& name = parsed.get_ref<const std::string&>();
      if (!names.insert(name).second) repeated = name;
    }
    return !too_deep;  // what is dropped takes no memory
  }
};

result<json> parse_header(std::string_view text) {
  header_check check;
  json header = json::parse(
      text.begin(), text.end(),
      [&](int depth, json::parse_event_t event, const json& parsed) {
        return check(depth, event, parsed);
      },
      false);
  if (check.too_deep) return corrupt("the header nests too deeply");
  if (header.is_discarded() || !header.is_object())
    return corrupt("the header is not a JSON object");
  if (!check.repeated.empty())
    return corrupt("tensor '" + check.repeated + "' appears twice");
  return header;
}

result<std::vector<std::uint64_t>> numbers(const json& tensor,
                                           const char* field,
                                           std::size_t count_max) {
  const auto found = tensor.find(field);
  if (found == tensor.end() || !found->is_array() || found->size() > count_max)
    return corrupt(std::string(field) + " is not a list of at most " +
                   std::to_string(count_max) + " numbers");
  std::vector<std::uint64_t> values;
  for (const json& number : *found) {
    if (!number.is_number_unsigned())
      return corrupt(std::string(field) + " holds something else than counts");
    values.push_back(number.get<std::uint64_t>());
  }
  return values;
}

// The bytes that a shape needs, or nothing when they overflow.
std::optional<std::uint64_t> shape_bytes(std::span<const std::uint64_t> shape,
                                         std::uint64_t element) {
  std::uint64_t bytes = element;
  for (const std::uint64_t n : shape)
    if (__builtin_mul_overflow(bytes, n, &bytes)) return std::nullopt;
  return bytes;
}

result<tensor_view> read_tensor(const json& tensor,
                                std::span<const std::byte> buffer) {
  if (!tensor.is_object()) return corrupt("its entry is not an object");
  const auto dtype = tensor.find("dtype");
  if (dtype == tensor.end() || !dtype->is_string())
    return corrupt("dtype is missing");
  tensor_view view{dtype->get<std::string>(), {}, {}};
  const std::uint64_t element = element_bytes(view.dtype);
  if (element == 0)
    return fail(error_code::unsupported, "unknown dtype '" + view.dtype + "'");
  BOOST_OUTCOME_TRY(shape, numbers(tensor, "shape", safetensors_rank_max));
  BOOST_OUTCOME_TRY(range, numbers(tensor, "data_offsets", 2));
  if (range.size() != 2 || range[0] > range[1] || range[1] > buffer.size())
    return corrupt("data_offsets lie outside the file's " +
                   std::to_string(buffer.size()) + " bytes of data");
  view.shape = std::move(shape);
  const auto bytes = shape_bytes(view.shape, element);
  if (!bytes || *bytes != range[1] - range[0])
    return corrupt("shape " + shape_text(view.shape) + " of " + view.dtype +
                   " does not fill its " + std::to_string(range[1] - range[0]) +
                   " bytes");
  view.bytes = buffer.subspan(range[0], range[1] - range[0]);
  return view;
}

// Tensors must tile the data: no overlap, no hole, nothing left over.
result<void> check_tiling(const tensor_map& tensors,
                          std::span<const std::byte> buffer) {
  std::vector<std::pair<const std::byte*, const tensor_map::value_type*>> order;
  for (const auto& entry : tensors)
    order.emplace_back(entry.second.bytes.data(), &entry);
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    return std::pair(a.first, a.second->second.bytes.size()) <
           std::pair(b.first, b.second->second.bytes.size());
  });
  const std::byte* end = buffer.data();
  for (const auto& [begin, entry] : order) {
    if (begin < end)
      return corrupt("tensor '" + entry->first + "' overlaps another");
    if (begin > end)
      return corrupt("unused bytes before tensor '" + entry->first + "'");
    end = begin + entry->second.bytes.size();
  }
  if (end != buffer.data() + buffer.size())
    return corrupt("unused bytes after the last tensor");
  return success();
}

}  // namespace

std::uint64_t tensor_view::elements() const {
  std::uint64_t count = 1;
  for (const std::uint64_t n : shape)
    count *= n;
  return count;
}

std::string shape_text(std::span<const std::uint64_t> shape) {
  std::string text = "[";
  for (const std::uint64_t n : shape)
    text += (text.size() > 1 ? ", " : "") + std::to_string(n);
  return text + "]";
}

result<tensor_map> parse_safetensors(std::span<const std::byte> file) {
  std::uint64_t header_bytes = 0;
  if (file.size() < sizeof header_bytes)
    return corrupt("the file ends inside the header's length");
  std::memcpy(&header_bytes, file.data(), sizeof header_bytes);
  const auto rest = file.subspan(sizeof header_bytes);
  if (header_bytes > safetensors_header_bytes_max)
    return corrupt("a header of " + std::to_string(header_bytes) +
                   " bytes is beyond the format's limit");
  if (header_bytes > rest.size())
    return corrupt("the file ends inside the header");
  BOOST_OUTCOME_TRY(header,
                    parse_header({reinterpret_cast<const char*>(rest.data()),
                                  static_cast<std::size_t>(header_bytes)}));
  const auto buffer = rest.subspan(header_bytes);
  tensor_map tensors;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") continue;
    auto view = read_tensor(entry, buffer);
    if (!view) return within("tensor '" + name + "'", view.error());
    tensors.emplace(name, std::move(view).value());
  }
  BOOST_OUTCOME_TRYV(check_tiling(tensors, buffer));
  return tensors;
}

}  // namespace lamina

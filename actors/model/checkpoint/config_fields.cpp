#include "actors/model/checkpoint/config_fields.hpp"

namespace lamina {
namespace {

using nlohmann::json;

auto unsupported(const std::string& what) {
  return fail(error_code::unsupported, what);
}

auto invalid(const std::string& what) {
  return fail(error_code::invalid_argument, what);
}

}  // namespace

std::string quoted(const json& value) {
  return value.dump(-1, ' ', true, json::error_handler_t::replace);
}

const json* present(const json& object, const char* field) {
  const auto found = object.find(field);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

result<std::uint32_t> count_at(const json& config, const char* field,
                               count_range range) {
  const json* value = present(config, field);
  if (value == nullptr) return invalid(std::string(field) + " is missing");
  if (!value->is_number_unsigned())
    return invalid(std::string(field) + " is not a count");
  const auto number = value->get<std::uint64_t>();
  if (number < range.lowest || number > range.highest)
    return invalid(std::string(field) + " is " + std::to_string(number) +
                   ", expected " + std::to_string(range.lowest) + " to " +
                   std::to_string(range.highest));
  return static_cast<std::uint32_t>(number);
}

result<std::uint32_t> count_or(const json& config, const char* field,
                               count_range range, std::uint32_t otherwise) {
  if (present(config, field) == nullptr) return otherwise;
  return count_at(config, field, range);
}

result<double> positive_at(const json& config, const char* field,
                           double highest) {
  const json* value = present(config, field);
  if (value == nullptr) return invalid(std::string(field) + " is missing");
  if (!value->is_number())
    return invalid(std::string(field) + " is not a number");
  const double number = value->get<double>();
  if (!(number > 0) || number > highest)
    return invalid(std::string(field) + " is not between 0 and " +
                   std::to_string(highest));
  return number;
}

result<bool> flag_or(const json& config, const char* field, bool otherwise) {
  const json* value = present(config, field);
  if (value == nullptr) return otherwise;
  if (!value->is_boolean())
    return invalid(std::string(field) + " is neither true nor false");
  return value->get<bool>();
}

result<void> must_be(const json& config, const char* field,
                     const json& expected) {
  const json* value = present(config, field);
  if (value == nullptr || *value == expected) return success();
  return unsupported(std::string(field) + " is " + quoted(*value) + ", only " +
                     expected.dump() + " is supported");
}

result<void> must_be_absent(const json& config, const char* field) {
  if (present(config, field) == nullptr) return success();
  return unsupported(std::string(field) + " is not supported");
}

result<std::vector<token_id>> end_tokens_at(const json& config) {
  std::vector<token_id> ids;
  const json* value = present(config, "eos_token_id");
  if (value == nullptr) return ids;
  const json list = value->is_array() ? *value : json::array({*value});
  for (const json& id : list) {
    if (!id.is_number_unsigned() ||
        id.get<std::uint64_t>() >= vocabulary_range.highest)
      return invalid("eos_token_id is not a token");
    ids.push_back(static_cast<token_id>(id.get<std::uint64_t>()));
  }
  return ids;
}

result<json> parse_config_object(std::string_view text) {
  constexpr int depth_max = 32;
  bool too_deep = false;
  json object = json::parse(
      text.begin(), text.end(),
      [&](int depth, json::parse_event_t, const json&) {
        too_deep = too_deep || depth > depth_max;
        return !too_deep;
      },
      false);
  if (too_deep) return fail(error_code::corrupt, "nests too deeply");
  if (object.is_discarded() || !object.is_object())
    return fail(error_code::corrupt, "is not a JSON object");
  return object;
}

}  // namespace lamina

#include "actors/model/checkpoint/config.hpp"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

namespace lamina {
namespace {

using nlohmann::json;

auto unsupported(const std::string& what) {
  return fail(error_code::unsupported, what);
}

auto invalid(const std::string& what) {
  return fail(error_code::invalid_argument, what);
}

// Absent and null mean the same in these files.
const json* present(const json& object, const char* field) {
  const auto found = object.find(field);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

struct count_range {
  std::uint64_t lowest;
  std::uint64_t highest;
};

// Far beyond any model that exists; what they bound is memory and overflow.
constexpr count_range layers_range{1, 1024};
constexpr count_range width_range{1, 1u << 17};
constexpr count_range heads_range{1, 4096};
constexpr count_range head_dim_range{2, 4096};
constexpr count_range feed_forward_range{1, 1u << 20};
constexpr count_range vocabulary_range{1, 1u << 24};
constexpr count_range context_range{1, 1u << 24};

result<std::uint32_t> count(const json& config, const char* field,
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
  return count(config, field, range);
}

result<double> positive(const json& config, const char* field, double highest) {
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

result<bool> flag(const json& config, const char* field, bool otherwise) {
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
  return unsupported(
      std::string(field) + " is " +
      value->dump(-1, ' ', true, json::error_handler_t::replace) + ", only " +
      expected.dump() + " is supported");
}

result<void> must_be_absent(const json& config, const char* field) {
  if (present(config, field) == nullptr) return success();
  return unsupported(std::string(field) + " is not supported");
}

// Fields that change what the layers compute.
result<void> check_variant(const json& config) {
  BOOST_OUTCOME_TRYV(must_be(config, "model_type", "llama"));
  if (present(config, "model_type") == nullptr)
    return unsupported("model_type is missing");
  BOOST_OUTCOME_TRYV(
      must_be(config, "architectures", json::array({"LlamaForCausalLM"})));
  BOOST_OUTCOME_TRYV(must_be(config, "hidden_act", "silu"));
  BOOST_OUTCOME_TRYV(must_be(config, "attention_bias", false));
  BOOST_OUTCOME_TRYV(must_be(config, "mlp_bias", false));
  BOOST_OUTCOME_TRYV(must_be(config, "pretraining_tp", 1));
  BOOST_OUTCOME_TRYV(must_be(config, "partial_rotary_factor", 1.0));
  BOOST_OUTCOME_TRYV(must_be_absent(config, "quantization_config"));
  BOOST_OUTCOME_TRYV(must_be_absent(config, "sliding_window"));
  return success();
}

// `object` is the file itself (old spelling), rope_scaling or rope_parameters.
result<void> check_rope_type(const json& object, const char* where) {
  for (const char* field : {"rope_type", "type"}) {
    const json* type = present(object, field);
    if (type != nullptr && *type != "default")
      return unsupported(
          std::string(where) + "." + field + " is " +
          type->dump(-1, ' ', true, json::error_handler_t::replace) +
          ", only \"default\" is supported");
  }
  return success();
}

constexpr double rope_theta_max = 1e12;

result<double> rope_theta(const json& config) {
  if (const json* scaling = present(config, "rope_scaling")) {
    if (!scaling->is_object()) return invalid("rope_scaling is not an object");
    BOOST_OUTCOME_TRYV(check_rope_type(*scaling, "rope_scaling"));
    if (present(*scaling, "factor") != nullptr)
      return unsupported("rope_scaling.factor is not supported");
  }
  const json* rope = present(config, "rope_parameters");
  if (rope == nullptr) {
    if (present(config, "rope_theta") == nullptr) return 10'000.0;
    return positive(config, "rope_theta", rope_theta_max);
  }
  if (!rope->is_object()) return invalid("rope_parameters is not an object");
  BOOST_OUTCOME_TRYV(check_rope_type(*rope, "rope_parameters"));
  for (const auto& [field, value] : rope->items())
    if (field != "rope_theta" && field != "rope_type" && field != "type" &&
        !value.is_null())
      return unsupported("rope_parameters." + field + " is not supported");
  auto theta = positive(*rope, "rope_theta", rope_theta_max);
  if (!theta) return within("rope_parameters", theta.error());
  return theta;
}

result<std::vector<token_id>> end_tokens(const json& config) {
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

result<json> parse_object(std::string_view text) {
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

result<void> read_heads(const json& config, llama_config& out) {
  BOOST_OUTCOME_TRY(heads, count(config, "num_attention_heads", heads_range));
  BOOST_OUTCOME_TRY(
      kv_heads, count_or(config, "num_key_value_heads", heads_range, heads));
  if (heads % kv_heads != 0)
    return invalid("num_key_value_heads " + std::to_string(kv_heads) +
                   " does not divide num_attention_heads " +
                   std::to_string(heads));
  if (present(config, "head_dim") == nullptr && out.width % heads != 0)
    return invalid("num_attention_heads does not divide hidden_size");
  BOOST_OUTCOME_TRY(head_dim, count_or(config, "head_dim", head_dim_range,
                                       out.width / heads));
  if (head_dim == 0 || head_dim % 2 != 0)
    return invalid("head_dim " + std::to_string(head_dim) + " is not even");
  out.heads = heads;
  out.kv_heads = kv_heads;
  out.head_dim = head_dim;
  return success();
}

}  // namespace

std::string llama_config::rope_text() const {
  std::ostringstream text;
  text.precision(17);
  text << "default:" << rope_theta;
  return text.str();
}

result<llama_config> parse_llama_config(std::string_view json_text) {
  BOOST_OUTCOME_TRY(config, parse_object(json_text));
  BOOST_OUTCOME_TRYV(check_variant(config));
  llama_config out;
  BOOST_OUTCOME_TRY(layers, count(config, "num_hidden_layers", layers_range));
  BOOST_OUTCOME_TRY(width, count(config, "hidden_size", width_range));
  BOOST_OUTCOME_TRY(feed_forward,
                    count(config, "intermediate_size", feed_forward_range));
  BOOST_OUTCOME_TRY(vocabulary, count(config, "vocab_size", vocabulary_range));
  BOOST_OUTCOME_TRY(context,
                    count(config, "max_position_embeddings", context_range));
  BOOST_OUTCOME_TRY(epsilon, positive(config, "rms_norm_eps", 1.0));
  BOOST_OUTCOME_TRY(theta, rope_theta(config));
  BOOST_OUTCOME_TRY(tied, flag(config, "tie_word_embeddings", false));
  BOOST_OUTCOME_TRY(ends, end_tokens(config));
  out.layers = layers;
  out.width = width;
  out.feed_forward = feed_forward;
  out.vocabulary = vocabulary;
  out.context_length = context;
  out.norm_epsilon = static_cast<float>(epsilon);
  out.rope_theta = theta;
  out.tied_head = tied;
  out.end_tokens = std::move(ends);
  BOOST_OUTCOME_TRYV(read_heads(config, out));
  return out;
}

result<std::vector<token_id>> parse_end_tokens(std::string_view json_text) {
  BOOST_OUTCOME_TRY(config, parse_object(json_text));
  return end_tokens(config);
}

}  // namespace lamina

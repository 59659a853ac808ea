#include "actors/model/checkpoint/rope.hpp"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <numbers>
#include <sstream>
#include <string_view>

#include "actors/model/checkpoint/config_fields.hpp"

namespace lamina {
namespace {

using nlohmann::json;

constexpr double theta_max = 1e12;
constexpr double factor_max = 1e6;

result<std::string> kind_of(const json& rope, const std::string& where) {
  // The newer spelling wins, as in transformers.
  for (const char* field : {"rope_type", "type"}) {
    const json* kind = present(rope, field);
    if (kind == nullptr) continue;
    if (*kind == "default" || *kind == "llama3")
      return kind->get<std::string>();
    return fail(error_code::unsupported,
                where + "." + field + " is " + quoted(*kind) +
                    ", supported are \"default\" and \"llama3\"");
  }
  return std::string("default");
}

result<void> only_known(const json& rope, const std::string& where,
                        std::initializer_list<std::string_view> known) {
  for (const auto& [field, value] : rope.items())
    if (!value.is_null() && std::ranges::find(known, field) == known.end())
      return fail(error_code::unsupported,
                  where + "." + field + " is not supported");
  return success();
}

result<llama3_scaling> read_llama3(const json& rope) {
  llama3_scaling s;
  BOOST_OUTCOME_TRY(factor, positive_at(rope, "factor", factor_max));
  BOOST_OUTCOME_TRY(low, positive_at(rope, "low_freq_factor", factor_max));
  BOOST_OUTCOME_TRY(high, positive_at(rope, "high_freq_factor", factor_max));
  BOOST_OUTCOME_TRY(context, count_at(rope, "original_max_position_embeddings",
                                      context_range));
  if (high <= low)
    return fail(error_code::invalid_argument,
                "high_freq_factor is not above low_freq_factor");
  s.factor = factor;
  s.low_turns = low;
  s.high_turns = high;
  s.original_context = context;
  return s;
}

// One object, under either name. `theta` is what it may leave out.
result<rope_settings> read_object(const json& rope, const std::string& where,
                                  double theta) {
  if (!rope.is_object())
    return fail(error_code::invalid_argument, where + " is not an object");
  rope_settings out;
  out.theta = theta;
  BOOST_OUTCOME_TRY(kind, kind_of(rope, where));
  if (kind == "llama3") {
    BOOST_OUTCOME_TRYV(only_known(
        rope, where,
        {"rope_theta", "rope_type", "type", "factor", "low_freq_factor",
         "high_freq_factor", "original_max_position_embeddings"}));
    auto scaling = read_llama3(rope);
    if (!scaling) return within(where, scaling.error());
    out.scaling = scaling.value();
  } else {
    BOOST_OUTCOME_TRYV(
        only_known(rope, where, {"rope_theta", "rope_type", "type"}));
  }
  if (present(rope, "rope_theta") != nullptr) {
    auto own = positive_at(rope, "rope_theta", theta_max);
    if (!own) return within(where, own.error());
    out.theta = own.value();
  }
  return out;
}

}  // namespace

result<rope_settings> read_rope(const json& config) {
  const json* parameters = present(config, "rope_parameters");
  const json* scaling = present(config, "rope_scaling");
  rope_settings plain;
  if (present(config, "rope_theta") != nullptr) {
    BOOST_OUTCOME_TRY(theta, positive_at(config, "rope_theta", theta_max));
    plain.theta = theta;
  } else if (parameters != nullptr && parameters->is_object() &&
             present(*parameters, "rope_theta") == nullptr) {
    return fail(error_code::invalid_argument,
                "rope_parameters: rope_theta is missing");
  }
  rope_settings older = plain;
  if (scaling != nullptr) {
    BOOST_OUTCOME_TRY(read, read_object(*scaling, "rope_scaling", plain.theta));
    older = read;
  }
  if (parameters == nullptr) return older;
  BOOST_OUTCOME_TRY(newer,
                    read_object(*parameters, "rope_parameters", plain.theta));
  if (scaling != nullptr && older.scaling != newer.scaling)
    return fail(error_code::invalid_argument,
                "rope_scaling and rope_parameters say different things");
  return newer;
}

std::string rope_settings::text() const {
  std::ostringstream out;
  out.precision(17);
  if (!scaling) {
    out << "default:" << theta;
    return out.str();
  }
  out << "llama3:" << theta << ':' << scaling->factor << ':'
      << scaling->low_turns << ':' << scaling->high_turns << ':'
      << scaling->original_context;
  return out.str();
}

std::vector<float> rope_settings::inverse_frequencies(
    std::uint32_t head_dim) const {
  std::vector<float> out(head_dim / 2);
  for (std::uint32_t i = 0; i < out.size(); ++i) {
    // In float32 and in this order, as transformers does: far positions
    // multiply every difference.
    const float exponent =
        static_cast<float>(2 * i) / static_cast<float>(head_dim);
    const float plain = 1.0f / std::pow(static_cast<float>(theta), exponent);
    out[i] = plain;
    if (!scaling) continue;
    const double turns =
        scaling->original_context * plain / (2 * std::numbers::pi);
    const double slow = plain / scaling->factor;
    const double share =
        std::clamp((turns - scaling->low_turns) /
                       (scaling->high_turns - scaling->low_turns),
                   0.0, 1.0);
    out[i] = static_cast<float>((1 - share) * slow + share * plain);
  }
  return out;
}

}  // namespace lamina

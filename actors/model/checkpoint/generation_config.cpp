#include "actors/model/checkpoint/generation_config.hpp"

#include "actors/model/checkpoint/config_fields.hpp"

namespace lamina {
namespace {

using nlohmann::json;

constexpr double temperature_max = 1e6;
constexpr std::uint32_t usual_top_k = 50;

result<sampling_options> read_sampling(const json& config) {
  sampling_options out;
  BOOST_OUTCOME_TRY(drawn, flag_or(config, "do_sample", false));
  if (!drawn) return out;
  out.temperature = 1;
  if (present(config, "temperature") != nullptr) {
    BOOST_OUTCOME_TRY(temperature,
                      positive_at(config, "temperature", temperature_max));
    out.temperature = static_cast<float>(temperature);
  }
  BOOST_OUTCOME_TRY(
      top_k,
      count_or(config, "top_k", {0, vocabulary_range.highest}, usual_top_k));
  out.top_k = top_k;
  if (present(config, "top_p") != nullptr) {
    BOOST_OUTCOME_TRY(top_p, positive_at(config, "top_p", 1));
    out.top_p = static_cast<float>(top_p);
  }
  return out;
}

}  // namespace

result<generation_config> parse_generation_config(std::string_view json_text) {
  BOOST_OUTCOME_TRY(config, parse_config_object(json_text));
  generation_config out;
  BOOST_OUTCOME_TRY(ends, end_tokens_at(config));
  out.end_tokens = std::move(ends);
  BOOST_OUTCOME_TRY(sampling, read_sampling(config));
  out.sampling = sampling;
  return out;
}

}  // namespace lamina

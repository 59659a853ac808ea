#include "actors/model/arch/family.hpp"

#include <algorithm>
#include <array>

#include "actors/model/arch/gpt2.hpp"
#include "actors/model/arch/llama.hpp"
#include "actors/model/checkpoint/config_fields.hpp"

namespace lamina {
namespace {

using nlohmann::json;

constexpr std::array families{
    family{"gpt2", "GPT2LMHeadModel", read_gpt2},
    family{"llama", "LlamaForCausalLM", read_llama},
};

}  // namespace

std::string known_families() {
  std::string names;
  for (const family& f : families)
    names += (names.empty() ? "" : ", ") + std::string(f.model_type);
  return names;
}

result<model_outline> read_outline(std::string_view config_text) {
  BOOST_OUTCOME_TRY(config, parse_config_object(config_text));
  const json* type = present(config, "model_type");
  if (type == nullptr)
    return fail(error_code::unsupported, "model_type is missing");
  const auto known = std::ranges::find_if(families, [&](const family& f) {
    return type->is_string() &&
           type->get_ref<const std::string&>() == f.model_type;
  });
  if (known == families.end())
    return fail(error_code::unsupported, "model_type is " + quoted(*type) +
                                             ", supported are " +
                                             known_families());
  BOOST_OUTCOME_TRYV(must_be(config, "architectures",
                             json::array({std::string(known->causal_class)})));
  BOOST_OUTCOME_TRYV(must_be_absent(config, "quantization_config"));
  BOOST_OUTCOME_TRY(outline, known->read(config));
  outline.family = known->model_type;
  BOOST_OUTCOME_TRY(ends, end_tokens_at(config));
  outline.end_tokens = std::move(ends);
  return outline;
}

}  // namespace lamina

// The families of models that Lamina runs, in one table. A family reads its
// config.json into an outline: how large the model is, and how to build its
// forward pass from weights. All that differs between families lies behind
// that; the engine, the planner and the lens see outlines and architectures.
//
// A new family is one file in arch/ that fills in `decoder_parts`
// (arch/decoder.hpp), or implements `architecture` itself, and one line in
// family.cpp. Pure functions; any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "actors/model/arch/architecture.hpp"
#include "actors/model/checkpoint/weights.hpp"
#include "protocol/error.hpp"
#include "protocol/site.hpp"

namespace lamina {

/// How large a model is, as its config.json says.
struct model_shape {
  std::uint32_t layers = 0;
  std::uint32_t width = 0;
  std::uint32_t heads = 0;
  std::uint32_t kv_heads = 0;
  std::uint32_t head_dim = 0;
  std::uint32_t feed_forward = 0;
  std::uint32_t vocabulary = 0;
  std::uint32_t context_length = 0;
};

/// What is known of a model before its weights are read.
struct model_outline {
  std::string family;  // its model_type
  model_shape shape;
  std::string positions;             // regime, part of a root: "default:10000"
  std::vector<token_id> end_tokens;  // as config.json names them
  /// Takes the family's tensors; their shapes must fit. The result keeps what
  /// it points into alive.
  std::function<result<std::unique_ptr<const architecture>>(weights_reader&)>
      build;
};

struct family {
  std::string_view model_type;
  std::string_view causal_class;  // its one entry of `architectures`
  result<model_outline> (*read)(const nlohmann::json& config);
};

/// The outline that a config.json gives. Errors name the field: `unsupported`
/// for what Lamina does not run, `invalid_argument` for numbers that make no
/// sense, `corrupt` for what is not JSON at all.
result<model_outline> read_outline(std::string_view config_text);

/// "gpt2, llama", for sentences and documentation.
std::string known_families();

}  // namespace lamina

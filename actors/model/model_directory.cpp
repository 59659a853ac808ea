#include "actors/model/model_directory.hpp"

#include <utility>

#include "actors/model/kernels/linear.hpp"

namespace lamina {
namespace {

constexpr std::size_t config_bytes_max = 4u << 20;

result<void> read_config(model_directory& out) {
  const auto path = out.path / "config.json";
  BOOST_OUTCOME_TRY(text, read_small_file(path, config_bytes_max));
  auto outline = read_outline(text);
  if (!outline) return within(path.string(), outline.error());
  out.config_text = std::move(text);
  out.outline = std::move(outline).value();
  return success();
}

// generation_config.json decides when a turn ends; config.json does where the
// former is missing or silent.
result<void> read_generation(model_directory& out) {
  out.end_tokens = out.outline.end_tokens;
  const auto path = out.path / "generation_config.json";
  auto text = read_small_file(path, config_bytes_max);
  if (!text) {
    if (text.error().code == error_code::not_found) return success();
    return text.error();
  }
  auto read = parse_generation_config(text.value());
  if (!read) return within(path.string(), read.error());
  if (!read.value().end_tokens.empty())
    out.end_tokens = std::move(read.value().end_tokens);
  out.sampling = read.value().sampling;
  return success();
}

result<void> check_vocabulary(const model_directory& opened) {
  const std::uint32_t vocabulary = opened.outline.shape.vocabulary;
  const std::string where = (opened.path / "config.json").string();
  if (opened.text->size() > vocabulary)
    return fail(error_code::invalid_argument,
                where + ": vocab_size " + std::to_string(vocabulary) +
                    " is less than the tokenizer's " +
                    std::to_string(opened.text->size()));
  for (const token_id id : opened.end_tokens)
    if (id >= vocabulary)
      return fail(error_code::invalid_argument,
                  where + ": eos_token_id " + std::to_string(id) +
                      " is outside the vocabulary");
  return success();
}

// float16 checkpoints compute in float32, which holds them exactly.
result<dtype> compute_dtype(const model_options& options,
                            const checkpoint& files) {
  if (options.compute == dtype::float16)
    return fail(error_code::unsupported,
                "compute dtype float16; supported are float32 and bfloat16");
  if (options.compute) return *options.compute;
  return files.main_dtype() == "BF16" ? dtype::bfloat16 : dtype::float32;
}

// The kernels that multiply int8 are the CPU's.
result<void> check_placement(const model_options& options) {
  BOOST_OUTCOME_TRYV(check_device(options.device));
  if (options.device.kind == device_kind::cpu ||
      options.weights == weight_format::stored)
    return success();
  return fail(error_code::unsupported,
              "device " + to_string(options.device) + ": weights of " +
                  std::string(to_string(options.weights)) +
                  " are for the cpu only");
}

}  // namespace

result<model_directory> open_model_directory(const model_options& options) {
  BOOST_OUTCOME_TRYV(check_placement(options));
  model_directory out;
  out.path = options.directory;
  BOOST_OUTCOME_TRYV(read_config(out));
  BOOST_OUTCOME_TRYV(read_generation(out));
  BOOST_OUTCOME_TRY(text, tokenizer::load(out.path));
  out.text = std::move(text);
  BOOST_OUTCOME_TRYV(check_vocabulary(out));
  BOOST_OUTCOME_TRY(files, open_checkpoint(out.path));
  out.files = std::move(files);
  BOOST_OUTCOME_TRY(compute, compute_dtype(options, out.files));
  out.compute = compute;
  out.weights = options.weights;
  out.device = options.device;
  return out;
}

model_description describe(const model_directory& opened,
                           const std::string& name) {
  const model_shape& shape = opened.outline.shape;
  model_description d;
  d.name = name;
  d.architecture = opened.outline.family;
  d.layers = shape.layers;
  d.width = shape.width;
  d.heads = shape.heads;
  d.kv_heads = shape.kv_heads;
  d.vocabulary = shape.vocabulary;
  d.context_length = shape.context_length;
  d.weight_bytes = opened.files.bytes();
  d.compute = opened.compute;
  d.weights = opened.weights;
  d.device = opened.device;
  d.matmul_path = opened.device.kind == device_kind::cpu
                      ? matmul_path()
                      : matmul_path(opened.device);
  d.usual_sampling = opened.sampling;
  return d;
}

}  // namespace lamina

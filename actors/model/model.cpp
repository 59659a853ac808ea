#include "actors/model/model.hpp"

#include <new>
#include <utility>

#include "actors/model/arch/llama.hpp"
#include "actors/model/checkpoint/checkpoint.hpp"
#include "actors/model/checkpoint/config.hpp"
#include "actors/model/checkpoint/weights.hpp"
#include "actors/model/kernels/linear.hpp"
#include "actors/model/loaded_model.hpp"

namespace lamina {
namespace {

constexpr std::size_t config_bytes_max = 4u << 20;

// generation_config.json decides when a turn ends; config.json does where the
// former is missing or silent.
result<std::vector<token_id>> read_end_tokens(
    const std::filesystem::path& directory, const llama_config& config) {
  const auto path = directory / "generation_config.json";
  auto text = read_small_file(path, config_bytes_max);
  if (!text) {
    if (text.error().code == error_code::not_found) return config.end_tokens;
    return text.error();
  }
  auto ids = parse_end_tokens(text.value());
  if (!ids) return within(path.string(), ids.error());
  return ids.value().empty() ? config.end_tokens : std::move(ids).value();
}

// float16 checkpoints compute in float32, which holds them exactly.
result<dtype> compute_dtype(const model_options& options,
                            const checkpoint& files) {
  if (options.compute == dtype::float16)
    return fail(error_code::unsupported,
                "compute dtype float16; supported are float32 and bfloat16");
  if (options.compute) return *options.compute;
  const auto found = files.tensors.find("model.embed_tokens.weight");
  const bool narrow =
      found != files.tensors.end() && found->second.dtype == "BF16";
  return narrow ? dtype::bfloat16 : dtype::float32;
}

model_description describe(const model_options& options,
                           const llama_config& config) {
  model_description d;
  d.name = options.name;
  d.architecture = "llama";
  d.layers = config.layers;
  d.width = config.width;
  d.heads = config.heads;
  d.kv_heads = config.kv_heads;
  d.vocabulary = config.vocabulary;
  d.context_length = config.context_length;
  d.matmul_path = matmul_path();
  return d;
}

result<void> check_vocabulary(const tokenizer& text, const llama_config& config,
                              const std::vector<token_id>& ends) {
  if (text.size() > config.vocabulary)
    return fail(error_code::invalid_argument,
                "vocab_size " + std::to_string(config.vocabulary) +
                    " is less than the tokenizer's " +
                    std::to_string(text.size()));
  for (const token_id id : ends)
    if (id >= config.vocabulary)
      return fail(
          error_code::invalid_argument,
          "eos_token_id " + std::to_string(id) + " is outside the vocabulary");
  return success();
}

result<std::shared_ptr<const model>> load_llama(const model_options& options) {
  const auto config_path = options.directory / "config.json";
  BOOST_OUTCOME_TRY(config_text,
                    read_small_file(config_path, config_bytes_max));
  auto parsed = parse_llama_config(config_text);
  if (!parsed) return within(config_path.string(), parsed.error());
  const llama_config config = std::move(parsed).value();
  BOOST_OUTCOME_TRY(ends, read_end_tokens(options.directory, config));
  BOOST_OUTCOME_TRY(text, tokenizer::load(options.directory));
  if (const auto fits = check_vocabulary(*text, config, ends); !fits)
    return within(config_path.string(), fits.error());
  BOOST_OUTCOME_TRY(files, open_checkpoint(options.directory));
  BOOST_OUTCOME_TRY(compute, compute_dtype(options, files));

  model_description d = describe(options, config);
  d.compute = compute;
  d.fingerprint = fingerprint(config_text, files);
  for (const auto& file : files.files)
    d.weight_bytes += file->bytes().size();
  weights_reader weights(std::move(files), compute);
  auto layers = make_llama(config, weights);
  if (!layers) return within(options.directory.string(), layers.error());
  d.parameters = weights.parameters();
  BOOST_OUTCOME_TRYV(weights.memory()->files.check_unchanged());
  return std::shared_ptr<const model>(std::make_shared<loaded_model>(
      std::move(d), std::move(text), std::move(layers).value(),
      config.rope_text(), std::move(ends)));
}

}  // namespace

result<std::shared_ptr<const model>> model::load(const model_options& options) {
  try {
    return load_llama(options);
  } catch (const std::bad_alloc&) {
    return fail(error_code::out_of_memory,
                options.directory.string() + ": loading ran out of memory");
  } catch (const std::exception& e) {
    return fail(error_code::internal,
                options.directory.string() + ": loading failed: " + e.what());
  }
}

}  // namespace lamina

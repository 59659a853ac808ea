// A loaded model: immutable weights, shape, tokenizer and identity. Shared
// read-only by the engine, the lens actors and everybody who needs to know what
// a model is; it lives until its last reference goes. No torch in this header.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "actors/chunks/chunk_key.hpp"
#include "actors/chunks/raw_chunk.hpp"
#include "actors/lens/output_head.hpp"
#include "actors/model/device/compute_device.hpp"
#include "actors/model/sampling.hpp"
#include "actors/model/tokenizer/tokenizer.hpp"
#include "actors/model/weight_format.hpp"
#include "protocol/error.hpp"

namespace lamina {

struct model_options {
  std::string name;                 // as clients call it
  std::filesystem::path directory;  // a Hugging Face directory
  std::optional<dtype> compute{};   // default: as the checkpoint is stored
  /// That its weights may take; default: what the machine has available.
  std::optional<std::uint64_t> memory_bytes{};
  std::filesystem::path fingerprints{};  // where they are kept; empty: nowhere
  compute_device device{};               // where it computes
  weight_format weights = weight_format::stored;
  std::stop_token stop{};  // loading ends early, with `cancelled`
};

/// What quantised weights cost, as root mean squares relative to what they
/// stand for.
struct quantisation_loss {
  double weights = 0;
  /// Of the logits, less their mean over the vocabulary, after each token of a
  /// fixed text. None where memory did not hold the checkpoint beside it.
  std::optional<double> logits{};
};

/// What clients are told about a model.
struct model_description {
  std::string name;
  std::string architecture;  // its family: "gpt2", "llama"
  std::uint32_t layers = 0;
  std::uint32_t width = 0;
  std::uint32_t heads = 0;
  std::uint32_t kv_heads = 0;
  std::uint32_t vocabulary = 0;
  std::uint32_t context_length = 0;
  std::uint64_t parameters = 0;
  std::uint64_t weight_bytes = 0;  // of its files
  std::uint64_t copied_bytes = 0;  // of its weights, into memory of their own
  dtype compute = dtype::float32;
  weight_format weights = weight_format::stored;
  quantisation_loss loss{};  // of weights that are not as stored
  digest fingerprint;
  compute_device device{};         // where it computes
  std::uint64_t device_bytes = 0;  // of its weights there, unless our own CPU
  std::string matmul_path;         // which kernels run, for `lamina models`
  sampling_options usual_sampling{};  // as its generation_config.json asks
};

class model {
 public:
  /// Reads config.json, maps *.safetensors, loads the tokenizer. Errors name
  /// the file and the field: not_found, unsupported, corrupt; out_of_memory
  /// when it does not fit, with the numbers (see model_plan.hpp). A device that
  /// is not there is `unsupported`.
  static result<std::shared_ptr<const model>> load(
      const model_options& options);

  virtual ~model() = default;
  virtual const model_description& description() const = 0;
  virtual const tokenizer& text() const = 0;
  virtual const output_head& head() const = 0;
  virtual provenance origin() const = 0;
  virtual std::vector<token_id> end_tokens() const = 0;

  capture_shape shape() const {
    return {description().layers, description().width, description().compute};
  }
};

using model_ptr = std::shared_ptr<const model>;

}  // namespace lamina

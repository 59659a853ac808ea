#include "actors/model/arch/gpt2.hpp"

#include <string>
#include <utility>

#include "actors/model/arch/decoder.hpp"
#include "actors/model/checkpoint/config_fields.hpp"

namespace lamina {
namespace {

using nlohmann::json;

struct gpt2_config {
  model_shape shape;
  float norm_epsilon = 0;
  bool tied_head = true;
};

// Fields that change what the layers compute. Dropout does not: it is for
// training.
result<void> check_variant(const json& config) {
  BOOST_OUTCOME_TRYV(must_be(config, "activation_function", "gelu_new"));
  BOOST_OUTCOME_TRYV(must_be(config, "scale_attn_weights", true));
  BOOST_OUTCOME_TRYV(must_be(config, "scale_attn_by_inverse_layer_idx", false));
  return must_be(config, "add_cross_attention", false);
}

result<model_shape> read_shape(const json& config) {
  model_shape out;
  BOOST_OUTCOME_TRY(layers, count_at(config, "n_layer", layers_range));
  BOOST_OUTCOME_TRY(width, count_at(config, "n_embd", width_range));
  BOOST_OUTCOME_TRY(heads, count_at(config, "n_head", heads_range));
  BOOST_OUTCOME_TRY(vocabulary,
                    count_at(config, "vocab_size", vocabulary_range));
  BOOST_OUTCOME_TRY(context, count_at(config, "n_positions", context_range));
  BOOST_OUTCOME_TRY(inner,
                    count_or(config, "n_inner", feed_forward_range, 4 * width));
  if (width % heads != 0)
    return fail(error_code::invalid_argument,
                "n_head " + std::to_string(heads) + " does not divide n_embd " +
                    std::to_string(width));
  out.layers = layers;
  out.width = width;
  out.heads = heads;
  out.kv_heads = heads;
  out.head_dim = width / heads;
  out.feed_forward = inner;
  out.vocabulary = vocabulary;
  out.context_length = context;
  return out;
}

result<gpt2_config> read_config(const json& config) {
  BOOST_OUTCOME_TRYV(check_variant(config));
  gpt2_config out;
  BOOST_OUTCOME_TRY(shape, read_shape(config));
  BOOST_OUTCOME_TRY(epsilon, positive_at(config, "layer_norm_epsilon", 1.0));
  BOOST_OUTCOME_TRY(tied, flag_or(config, "tie_word_embeddings", true));
  out.shape = shape;
  out.norm_epsilon = static_cast<float>(epsilon);
  out.tied_head = tied;
  return out;
}

// Takes the tensors of one model, by the names that Hugging Face gives them.
// OpenAI's own checkpoints leave "transformer." out.
class gpt2_loader {
 public:
  gpt2_loader(const gpt2_config& config, weights_reader& weights)
      : c_(config),
        s_(config.shape),
        weights_(weights),
        front_(weights.has("wte.weight") ? "" : "transformer.") {}

  result<decoder_parts> take_all() {
    decoder_parts out;
    BOOST_OUTCOME_TRY(embedding, weights_.table_of(front_ + "wte.weight",
                                                   s_.vocabulary, s_.width));
    BOOST_OUTCOME_TRY(
        positions,
        weights_.table_of(front_ + "wpe.weight", s_.context_length, s_.width));
    out.embedding = embedding;
    out.positions = positions;
    if (c_.tied_head) {
      BOOST_OUTCOME_TRY(
          head, weights_.matrix_of_table(front_ + "wte.weight", embedding));
      out.head = head;
      weights_.ignore("lm_head.weight");  // some checkpoints store it twice
    } else {
      BOOST_OUTCOME_TRY(
          head, weights_.matrix_of("lm_head.weight", s_.vocabulary, s_.width));
      out.head = head;
    }
    for (std::uint32_t l = 0; l < s_.layers; ++l) {
      BOOST_OUTCOME_TRY(layer, take_layer(l));
      out.layers.push_back(std::move(layer));
    }
    BOOST_OUTCOME_TRYV(take_norm(front_ + "ln_f", out.final_norm));
    return out;
  }

 private:
  result<decoder_layer> take_layer(std::uint32_t index) {
    const std::string at = front_ + "h." + std::to_string(index) + ".";
    const std::uint32_t d = s_.width, f = s_.feed_forward;
    decoder_layer l;
    BOOST_OUTCOME_TRYV(take_norm(at + "ln_1", l.attention.norm));
    BOOST_OUTCOME_TRYV(take_fused(at + "attn.c_attn", l.attention));
    BOOST_OUTCOME_TRYV(take(at + "attn.c_proj", d, d, l.attention.out));
    BOOST_OUTCOME_TRYV(take_norm(at + "ln_2", l.feed_forward.norm));
    BOOST_OUTCOME_TRYV(take(at + "mlp.c_fc", f, d, l.feed_forward.up));
    BOOST_OUTCOME_TRYV(take(at + "mlp.c_proj", d, f, l.feed_forward.down));
    // The causal mask, which some checkpoints store.
    weights_.ignore(at + "attn.bias");
    weights_.ignore(at + "attn.masked_bias");
    return l;
  }

  result<void> take(const std::string& name, std::uint32_t rows,
                    std::uint32_t columns, linear_part& out) {
    BOOST_OUTCOME_TRY(
        weight, weights_.matrices_turned(name + ".weight", 1, rows, columns));
    BOOST_OUTCOME_TRY(bias, weights_.vector(name + ".bias", rows));
    out.weight = weight.front();
    out.bias = std::move(bias);
    return success();
  }

  // Query, key and value are the thirds of one matrix.
  result<void> take_fused(const std::string& name, attention_part& out) {
    const std::uint32_t d = s_.width;
    BOOST_OUTCOME_TRY(weights,
                      weights_.matrices_turned(name + ".weight", 3, d, d));
    BOOST_OUTCOME_TRY(bias, weights_.vector(name + ".bias", 3 * d));
    linear_part* const parts[] = {&out.query, &out.key, &out.value};
    for (std::size_t i = 0; i < std::size(parts); ++i) {
      parts[i]->weight = weights[i];
      parts[i]->bias.assign(bias.begin() + i * d, bias.begin() + (i + 1) * d);
    }
    return success();
  }

  result<void> take_norm(const std::string& name, norm_part& out) {
    BOOST_OUTCOME_TRY(gain, weights_.vector(name + ".weight", s_.width));
    BOOST_OUTCOME_TRY(bias, weights_.vector(name + ".bias", s_.width));
    out = {norm_kind::mean_and_variance, c_.norm_epsilon, std::move(gain),
           std::move(bias)};
    return success();
  }

  const gpt2_config& c_;
  const model_shape& s_;
  weights_reader& weights_;
  std::string front_;
};

}  // namespace

result<model_outline> read_gpt2(const json& config) {
  BOOST_OUTCOME_TRY(read, read_config(config));
  model_outline out;
  out.shape = read.shape;
  out.positions = "learned";
  out.build = [read](weights_reader& weights)
      -> result<std::unique_ptr<const architecture>> {
    BOOST_OUTCOME_TRY(parts, gpt2_loader(read, weights).take_all());
    return make_decoder(read.shape, weights, std::move(parts));
  };
  return out;
}

}  // namespace lamina

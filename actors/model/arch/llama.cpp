#include "actors/model/arch/llama.hpp"

#include <string>
#include <utility>

#include "actors/model/arch/decoder.hpp"
#include "actors/model/checkpoint/config_fields.hpp"
#include "actors/model/checkpoint/rope.hpp"

namespace lamina {
namespace {

using nlohmann::json;

struct llama_config {
  model_shape shape;
  float norm_epsilon = 0;
  rope_settings rope;
  bool tied_head = false;
};

// Fields that change what the layers compute.
result<void> check_variant(const json& config) {
  BOOST_OUTCOME_TRYV(must_be(config, "hidden_act", "silu"));
  BOOST_OUTCOME_TRYV(must_be(config, "attention_bias", false));
  BOOST_OUTCOME_TRYV(must_be(config, "mlp_bias", false));
  BOOST_OUTCOME_TRYV(must_be(config, "pretraining_tp", 1));
  BOOST_OUTCOME_TRYV(must_be(config, "partial_rotary_factor", 1.0));
  return must_be_absent(config, "sliding_window");
}

result<void> read_heads(const json& config, model_shape& out) {
  BOOST_OUTCOME_TRY(heads,
                    count_at(config, "num_attention_heads", heads_range));
  BOOST_OUTCOME_TRY(
      kv_heads, count_or(config, "num_key_value_heads", heads_range, heads));
  if (heads % kv_heads != 0)
    return fail(error_code::invalid_argument,
                "num_key_value_heads " + std::to_string(kv_heads) +
                    " does not divide num_attention_heads " +
                    std::to_string(heads));
  if (present(config, "head_dim") == nullptr && out.width % heads != 0)
    return fail(error_code::invalid_argument,
                "num_attention_heads does not divide hidden_size");
  BOOST_OUTCOME_TRY(head_dim, count_or(config, "head_dim", head_dim_range,
                                       out.width / heads));
  if (head_dim == 0 || head_dim % 2 != 0)
    return fail(error_code::invalid_argument,
                "head_dim " + std::to_string(head_dim) + " is not even");
  out.heads = heads;
  out.kv_heads = kv_heads;
  out.head_dim = head_dim;
  return success();
}

result<model_shape> read_shape(const json& config) {
  model_shape out;
  BOOST_OUTCOME_TRY(layers,
                    count_at(config, "num_hidden_layers", layers_range));
  BOOST_OUTCOME_TRY(width, count_at(config, "hidden_size", width_range));
  BOOST_OUTCOME_TRY(feed_forward,
                    count_at(config, "intermediate_size", feed_forward_range));
  BOOST_OUTCOME_TRY(vocabulary,
                    count_at(config, "vocab_size", vocabulary_range));
  BOOST_OUTCOME_TRY(context,
                    count_at(config, "max_position_embeddings", context_range));
  out.layers = layers;
  out.width = width;
  out.feed_forward = feed_forward;
  out.vocabulary = vocabulary;
  out.context_length = context;
  BOOST_OUTCOME_TRYV(read_heads(config, out));
  return out;
}

result<llama_config> read_config(const json& config) {
  BOOST_OUTCOME_TRYV(check_variant(config));
  llama_config out;
  BOOST_OUTCOME_TRY(shape, read_shape(config));
  BOOST_OUTCOME_TRY(epsilon, positive_at(config, "rms_norm_eps", 1.0));
  BOOST_OUTCOME_TRY(rope, read_rope(config));
  BOOST_OUTCOME_TRY(tied, flag_or(config, "tie_word_embeddings", false));
  out.shape = shape;
  out.norm_epsilon = static_cast<float>(epsilon);
  out.rope = rope;
  out.tied_head = tied;
  return out;
}

// Takes the tensors of one model, by the names that Hugging Face gives them.
class llama_loader {
 public:
  llama_loader(const llama_config& config, weights_reader& weights)
      : c_(config), s_(config.shape), weights_(weights) {}

  result<decoder_parts> take_all() {
    decoder_parts out;
    const std::string table = "model.embed_tokens.weight";
    BOOST_OUTCOME_TRY(embedding,
                      weights_.table_of(table, s_.vocabulary, s_.width));
    out.embedding = embedding;
    if (c_.tied_head) {
      BOOST_OUTCOME_TRY(head, weights_.matrix_of_table(table, embedding));
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
    BOOST_OUTCOME_TRYV(take_norm("model.norm.weight", out.final_norm));
    out.inverse_frequencies = c_.rope.inverse_frequencies(s_.head_dim);
    return out;
  }

 private:
  result<decoder_layer> take_layer(std::uint32_t index) {
    const std::string at = "model.layers." + std::to_string(index) + ".";
    const std::uint32_t d = s_.width, f = s_.feed_forward;
    const std::uint32_t h = s_.heads * s_.head_dim;
    const std::uint32_t g = s_.kv_heads * s_.head_dim;
    decoder_layer l;
    attention_part& a = l.attention;
    BOOST_OUTCOME_TRYV(take_norm(at + "input_layernorm.weight", a.norm));
    BOOST_OUTCOME_TRYV(take(at + "self_attn.q_proj.weight", h, d, a.query));
    BOOST_OUTCOME_TRYV(take(at + "self_attn.k_proj.weight", g, d, a.key));
    BOOST_OUTCOME_TRYV(take(at + "self_attn.v_proj.weight", g, d, a.value));
    BOOST_OUTCOME_TRYV(take(at + "self_attn.o_proj.weight", d, h, a.out));
    feed_forward_part& b = l.feed_forward;
    BOOST_OUTCOME_TRYV(
        take_norm(at + "post_attention_layernorm.weight", b.norm));
    BOOST_OUTCOME_TRYV(take(at + "mlp.gate_proj.weight", f, d, b.gate));
    BOOST_OUTCOME_TRYV(take(at + "mlp.up_proj.weight", f, d, b.up));
    BOOST_OUTCOME_TRYV(take(at + "mlp.down_proj.weight", d, f, b.down));
    // A buffer of old exports; the frequencies come from config.json.
    weights_.ignore(at + "self_attn.rotary_emb.inv_freq");
    return l;
  }

  result<void> take(const std::string& name, std::uint32_t rows,
                    std::uint32_t columns, linear_part& out) {
    BOOST_OUTCOME_TRY(taken, weights_.matrix_of(name, rows, columns));
    out.weight = taken;
    return success();
  }

  result<void> take_norm(const std::string& name, norm_part& out) {
    BOOST_OUTCOME_TRY(gain, weights_.vector(name, s_.width));
    out = {norm_kind::root_mean_square, c_.norm_epsilon, std::move(gain), {}};
    return success();
  }

  const llama_config& c_;
  const model_shape& s_;
  weights_reader& weights_;
};

}  // namespace

result<model_outline> read_llama(const json& config) {
  BOOST_OUTCOME_TRY(read, read_config(config));
  model_outline out;
  out.shape = read.shape;
  out.positions = read.rope.text();
  out.build = [read](weights_reader& weights)
      -> result<std::unique_ptr<const architecture>> {
    BOOST_OUTCOME_TRY(parts, llama_loader(read, weights).take_all());
    return make_decoder(read.shape, weights, std::move(parts));
  };
  return out;
}

}  // namespace lamina

// Sites, element types and positions: the words for "which activation" that
// the wire, the store and the model share. Numbers are frozen: they are on the
// wire and on disk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace lamina {

/// Where an activation is read. The names are the field's; `docs/sites.md`
/// gives the Hugging Face and TransformerLens names of each.
enum class site : std::uint8_t {
  embed = 1,       // input of layer 0, positions and scale included
  resid_post = 2,  // output of layer l
  final_norm = 3,  // after the model's last norm, what the head reads
};

std::string_view to_string(site s);
std::optional<site> site_from_string(std::string_view name);

/// True when the site exists once per layer, false when once per model.
constexpr bool is_per_layer(site s) {
  return s == site::resid_post;
}

/// The lens row of the embedding: before layer 0.
inline constexpr int embed_layer = -1;

enum class dtype : std::uint8_t { float32 = 1, bfloat16 = 2, float16 = 3 };

std::string_view to_string(dtype t);
std::optional<dtype> dtype_from_string(std::string_view name);

constexpr std::size_t size_of(dtype t) {
  return t == dtype::float32 ? 4 : 2;
}

/// Index of a token in its conversation, over all turns.
using position_t = std::uint32_t;

/// Index in a model's vocabulary.
using token_id = std::uint32_t;

/// Who wrote a token.
enum class role : std::uint8_t { user = 1, assistant = 2, system = 3 };

std::string_view to_string(role r);

/// When lens records are computed (docs/architecture.md, "Lens").
enum class lens_mode : std::uint8_t { eager = 1, deferred = 2, on_demand = 3 };

std::string_view to_string(lens_mode m);
std::optional<lens_mode> lens_mode_from_string(std::string_view name);

}  // namespace lamina

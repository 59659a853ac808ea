// A conversation as one self-describing file: .safetensors with a JSON document
// in its metadata (docs/exported-formats.md has both). Pure but for reading.
//
// What it holds of each position follows from the conversation's ledger, so
// that the header is known before the first row is read, and rows go straight
// to their place.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "client/cli/safetensors_file.hpp"
#include "client/cpp/activation_array.hpp"
#include "client/cpp/bring.hpp"

namespace lamina::cli {

/// Which positions have rows and lens records, and of which slots.
struct conversation_layout {
  std::vector<site> sites;
  std::vector<activation_array::slot> slots;
  std::vector<position_span> rows;
  std::vector<position_span> lens;
  std::uint32_t layers = 0;
  std::uint32_t width = 0;
  lamina::dtype dtype = dtype::float32;

  std::uint64_t row_bytes() const { return width * size_of(dtype); }
  std::uint32_t lens_rows() const { return layers + 1; }
};

/// What the ledger says is present. The sites are those of the first chunk
/// that has activations; a chunk without one of them counts as without any.
conversation_layout layout_of(const wire::ConversationT& conversation);

/// Positions in all of the spans; and how many of them lie before `p`.
std::uint64_t count(const std::vector<position_span>& spans);
std::uint64_t count_before(const std::vector<position_span>& spans,
                           position_t p);
/// Chunks of 16 in the spans before `p`.
std::uint64_t chunks_before(const std::vector<position_span>& spans,
                            position_t p);

/// The parts of a lens record, each a tensor: name, type, and how many there
/// are of it for a position and layer.
struct lens_part {
  const char* tensor;
  const char* dtype;
  std::uint32_t offset;  // in a record of 96 bytes
  std::uint32_t bytes;
};
inline constexpr std::array<lens_part, 6> lens_parts{{
    {"lens.top_ids", "I32", 0, 40},
    {"lens.top_log_probabilities", "F32", 40, 40},
    {"lens.entropy", "F32", 80, 4},
    {"lens.kl_to_final", "F32", 84, 4},
    {"lens.rank_of_this", "I32", 88, 4},
    {"lens.log_probability_of_this", "F32", 92, 4},
}};

/// The begin of a file, and where the data of each tensor lie in it.
struct conversation_header {
  std::string bytes;
  std::vector<std::uint64_t> slots;
  std::uint64_t relative_error = 0;
  std::array<std::uint64_t, lens_parts.size()> lens{};
  std::uint64_t lens_rated = 0;
  std::uint64_t file_bytes = 0;
};
/// limit_exceeded when the tokens are too many for a header of the format.
result<conversation_header> header_of(const wire::ConversationT& conversation,
                                      const conversation_layout& layout);

/// The JSON document of the metadata.
std::string document_of(const wire::ConversationT& conversation,
                        const conversation_layout& layout);

/// A file of that form, ready to be brought; it must outlive what it gives.
/// invalid_argument, with what is wrong, for any other.
result<brought_conversation> read_conversation_file(
    std::shared_ptr<const safetensors_file> file);

}  // namespace lamina::cli

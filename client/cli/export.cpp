#include "client/cli/export.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "client/cli/output_file.hpp"
#include "client/cli/tensor_files.hpp"

namespace lamina::cli {
namespace {

constexpr position_t chunk_positions = 16;
/// Positions whose lens records are asked for at once.
constexpr position_t lens_positions = 64;

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

/// Rows of slot `slot` of the layout, from row `first` of its tensor on.
using rows_handler = std::function<result<void>(
    std::size_t slot, std::uint64_t first, std::span<const std::byte> rows)>;

/// Every row of the layout once, and the error of every chunk.
result<std::vector<float>> read_rows(client& daemon,
                                     const wire::ConversationT& conversation,
                                     const conversation_layout& layout,
                                     const rows_handler& on_rows) {
  std::vector<float> errors(chunks_before(layout.rows, ~position_t{0}));
  const auto take = [&](const wire::ActivationsT& part,
                        std::span<const std::byte> payload) -> result<void> {
    const auto slot_bytes =
        (part.position_end - part.position_begin) * layout.row_bytes();
    if (payload.size() != part.slots.size() * slot_bytes)
      return fail(error_code::malformed_frame,
                  "the daemon sent rows of another size than it said");
    const auto chunk = chunks_before(
        layout.rows, part.position_begin / chunk_positions * chunk_positions);
    if (chunk >= errors.size())
      return fail(error_code::malformed_frame,
                  "the daemon sent rows that were not asked for");
    errors[chunk] = std::max(errors[chunk], part.relative_error);
    for (std::size_t i = 0; i < part.slots.size(); ++i) {
      const activation_array::slot wanted{
          static_cast<site>(part.slots[i]->site), part.slots[i]->layer};
      const auto at =
          std::find(layout.slots.begin(), layout.slots.end(), wanted);
      if (at == layout.slots.end())
        return fail(error_code::malformed_frame,
                    "the daemon sent rows that were not asked for");
      BOOST_OUTCOME_TRYV(
          on_rows(static_cast<std::size_t>(at - layout.slots.begin()),
                  count_before(layout.rows, part.position_begin),
                  payload.subspan(i * slot_bytes, slot_bytes)));
    }
    return success();
  };
  wire::GetActivationsT request;
  request.conversation = conversation.id;
  for (const auto at : layout.sites)
    request.sites.push_back(static_cast<std::uint8_t>(at));
  for (const auto& span : layout.rows) {
    request.position_begin = span.begin;
    request.position_end = span.end;
    BOOST_OUTCOME_TRYV(daemon.activations(request, take));
  }
  return errors;
}

/// Lens records of consecutive positions as columns, a part of a record each.
struct lens_columns {
  std::array<std::vector<std::byte>, lens_parts.size()> parts;
  std::vector<std::uint8_t> rated;
};

void put(std::byte* at, std::uint32_t number) {
  std::memcpy(at, &number, sizeof number);
}
void put(std::byte* at, float number) {
  std::memcpy(at, &number, sizeof number);
}

/// A record as the daemon keeps it (docs/storage-format.md), of which a layer's
/// answer says all but how the position before rated this token.
void write_record(const wire::LensLayerT& layer, const wire::LensLayerT* before,
                  std::span<std::byte> record) {
  constexpr std::size_t kept = 10;
  constexpr std::uint32_t none = 0xffffffff;
  for (std::size_t i = 0; i < kept; ++i) {
    const bool there = i < layer.ids.size();
    put(record.data() + 4 * i, there ? layer.ids[i] : none);
    put(record.data() + 40 + 4 * i, there ? layer.log_probabilities[i] : 0.0f);
  }
  put(record.data() + 80, layer.entropy);
  put(record.data() + 84, layer.kl_to_final);
  const bool rated = before && before->next_rated;
  put(record.data() + 88, rated ? before->rank_of_next : 0u);
  put(record.data() + 92, rated ? before->log_probability_of_next : 0.0f);
}

/// Records of `positions`; `before` is the answer for the position before them,
/// if there is one, and becomes that for the last of them.
result<lens_columns> read_lens(client& daemon,
                               const wire::ConversationT& conversation,
                               const conversation_layout& layout,
                               position_span positions,
                               std::unique_ptr<wire::LensPositionT>& before) {
  wire::GetLensT request;
  request.conversation = conversation.id;
  request.context_size = 0;
  for (auto p = positions.begin; p < positions.end; ++p)
    request.positions.push_back(p);
  BOOST_OUTCOME_TRY(answer, daemon.lens(request));
  lens_columns columns;
  std::array<std::byte, lens_record_bytes> record;
  for (auto& at : answer.positions) {
    if (at->layers.size() != layout.lens_rows())
      return fail(
          error_code::malformed_frame,
          "the daemon sent lens records of other layers than asked for");
    columns.rated.push_back(before && before->layers[0]->next_rated ? 1 : 0);
    for (std::size_t l = 0; l < at->layers.size(); ++l) {
      write_record(*at->layers[l], before ? before->layers[l].get() : nullptr,
                   record);
      for (std::size_t i = 0; i < lens_parts.size(); ++i) {
        const auto part = std::span(record).subspan(lens_parts[i].offset,
                                                    lens_parts[i].bytes);
        columns.parts[i].insert(columns.parts[i].end(), part.begin(),
                                part.end());
      }
    }
    before = std::move(at);
  }
  if (columns.rated.size() != positions.size())
    return fail(error_code::malformed_frame,
                "the daemon sent fewer lens records than were asked for");
  return columns;
}

result<void> write_lens(client& daemon, const wire::ConversationT& conversation,
                        const conversation_layout& layout,
                        const conversation_header& header, output_file& file) {
  for (const auto& span : layout.lens) {
    std::unique_ptr<wire::LensPositionT> before;
    for (auto begin = span.begin; begin < span.end; begin += lens_positions) {
      const position_span part{begin,
                               std::min(span.end, begin + lens_positions)};
      BOOST_OUTCOME_TRY(columns,
                        read_lens(daemon, conversation, layout, part, before));
      const auto first = count_before(layout.lens, begin);
      for (std::size_t i = 0; i < lens_parts.size(); ++i) {
        BOOST_OUTCOME_TRYV(file.write_at(
            header.lens[i] + first * layout.lens_rows() * lens_parts[i].bytes,
            columns.parts[i]));
      }
      BOOST_OUTCOME_TRYV(file.write_at(
          header.lens_rated + first, std::as_bytes(std::span(columns.rated))));
    }
  }
  return success();
}

float worst_of(const std::vector<float>& errors) {
  return errors.empty() ? 0 : *std::max_element(errors.begin(), errors.end());
}

/// The begin of a file of one slot's rows.
std::string header_of_slot(const wire::ConversationT& conversation,
                           const conversation_layout& layout,
                           const activation_array::slot& slot, bool npy) {
  const std::array<std::uint64_t, 2> shape{count(layout.rows), layout.width};
  if (npy) return npy_header(shape);
  nlohmann::ordered_json header;
  header["__metadata__"] = {{"conversation", conversation.id},
                            {"model", conversation.model}};
  header[name_of(slot)] = {
      {"dtype", safetensors_dtype(layout.dtype)},
      {"shape", shape},
      {"data_offsets", {0, shape[0] * layout.row_bytes()}}};
  return framed_header(header);
}

}  // namespace

result<exported> export_to_file(client& daemon,
                                const wire::ConversationT& conversation,
                                const std::string& path) {
  const auto layout = layout_of(conversation);
  BOOST_OUTCOME_TRY(header, header_of(conversation, layout));
  BOOST_OUTCOME_TRY(file, output_file::create(path));
  BOOST_OUTCOME_TRYV(file.write_at(0, bytes_of(header.bytes)));
  BOOST_OUTCOME_TRY(
      errors, read_rows(daemon, conversation, layout,
                        [&](std::size_t slot, std::uint64_t first,
                            std::span<const std::byte> rows) {
                          return file.write_at(
                              header.slots[slot] + first * layout.row_bytes(),
                              rows);
                        }));
  if (!errors.empty()) {
    BOOST_OUTCOME_TRYV(file.write_at(
        header.relative_error, std::as_bytes(std::span<const float>(errors))));
  }
  BOOST_OUTCOME_TRYV(write_lens(daemon, conversation, layout, header, file));
  BOOST_OUTCOME_TRYV(file.place());
  return exported{count(layout.rows), count(layout.lens), header.file_bytes, 1,
                  worst_of(errors)};
}

result<exported> export_to_directory(client& daemon,
                                     const wire::ConversationT& conversation,
                                     const std::string& directory, bool npy) {
  const auto layout = layout_of(conversation);
  std::error_code problem;
  std::filesystem::create_directories(directory, problem);
  if (problem)
    return fail(
        error_code::io_error,
        fmt::format("cannot make '{}' ({})", directory, problem.message()));
  exported done{count(layout.rows), 0, 0, 0, 0};
  std::vector<output_file> files;
  std::vector<std::size_t> begins;
  if (done.rows > 0)
    for (const auto& slot : layout.slots) {
      BOOST_OUTCOME_TRY(file, output_file::create(fmt::format(
                                  "{}/{}.{}", directory, name_of(slot),
                                  npy ? "npy" : "safetensors")));
      const auto header = header_of_slot(conversation, layout, slot, npy);
      BOOST_OUTCOME_TRYV(file.write_at(0, bytes_of(header)));
      begins.push_back(header.size());
      files.push_back(std::move(file));
    }
  const auto element = npy ? sizeof(float) : size_of(layout.dtype);
  const auto row_bytes = layout.width * element;
  BOOST_OUTCOME_TRY(
      errors, read_rows(daemon, conversation, layout,
                        [&](std::size_t slot, std::uint64_t first,
                            std::span<const std::byte> rows) -> result<void> {
                          const auto at = begins[slot] + first * row_bytes;
                          if (!npy) return files[slot].write_at(at, rows);
                          const auto floats = to_float32(rows, layout.dtype);
                          return files[slot].write_at(
                              at,
                              std::as_bytes(std::span<const float>(floats)));
                        }));
  for (std::size_t i = 0; i < files.size(); ++i) {
    BOOST_OUTCOME_TRYV(files[i].place());
    done.bytes += begins[i] + done.rows * row_bytes;
  }
  const auto document = document_of(conversation, layout) + "\n";
  const std::array parts{bytes_of(document)};
  BOOST_OUTCOME_TRYV(write_whole_file(directory + "/conversation.json", parts));
  done.bytes += document.size();
  done.files = files.size() + 1;
  done.relative_error = worst_of(errors);
  return done;
}

}  // namespace lamina::cli

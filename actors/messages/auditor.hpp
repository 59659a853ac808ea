// Messages of the auditor, besides those of reader.hpp that it takes: what lies
// on disk, who holds it, whether it can be read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/audit/fidelity.hpp"
#include "actors/chunks/row_block.hpp"
#include "actors/messages/message.hpp"
#include "actors/store/contents.hpp"
#include "actors/store/records.hpp"
#include "actors/store/reports.hpp"
#include "protocol/error.hpp"
#include "protocol/site.hpp"

namespace lamina {

struct read_usage {};

/// What one conversation holds.
struct read_usage_of {
  conversation_id id = 0;
};

/// What lies under chunk names; `values` lists them, at a page each.
struct read_contents {
  std::vector<digest> names;
  bool values = true;
};

using usage_read = result<usage_report>;

using usage_of_read = result<usage>;

using contents_read = result<std::vector<chunk_contents>>;

/// One chunk of a conversation, to be looked at on disk.
struct audited_chunk {
  digest name;
  capture_shape shape;
  std::uint32_t index = 0;
  std::uint32_t conversation = 0;  // its place in the audit
  chunk_record promised;           // without tokens
  std::uint32_t rows = 0;          // tokens it has
};

/// Reads, checks and decodes all that is stored of chunks `begin` and on, as
/// many as fit a slice.
struct verify_chunks {
  std::shared_ptr<const std::vector<audited_chunk>> chunks;
  std::size_t begin = 0;
};

enum class defect : std::uint8_t {
  corrupt,     // fails its checks
  missing,     // promised by the ledger, and not there
  unreadable,  // sound, but this daemon lacks what decoding it takes
  differs,     // from what the model computes, by more than its error explains
};

/// Something that is not as it was stored, or not there.
struct finding {
  std::size_t chunk = 0;   // its place among the chunks
  std::optional<site> at;  // none: the lens records
  std::uint32_t layer_begin = 0;
  std::uint32_t layer_end = 0;
  defect kind = defect::corrupt;
  std::string what;
};

struct chunks_verified {
  std::size_t end = 0;  // chunks begin .. end-1 are done
  std::uint64_t values = 0;
  std::uint64_t value_bytes = 0;
  std::uint64_t lens_blocks = 0;
  fidelities found;
  std::vector<finding> findings;
};

using verification_result = result<chunks_verified>;

/// Compares what is stored of a chunk with rows that were computed now.
struct compare_rows {
  audited_chunk chunk;
  row_block_ptr exact;  // of all slots
};

struct rows_compared {
  fidelities found;
  std::vector<finding> findings;  // rows that disagree
};

using comparison_result = result<rows_compared>;

}  // namespace lamina

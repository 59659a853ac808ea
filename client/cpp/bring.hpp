// Brings a whole conversation that was computed elsewhere: declared, sent in
// frames of bounded size, finished. Rows and lens records are read when their
// frame is due, so memory holds one frame, and the tokens. Caller's thread.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "client/cpp/client.hpp"
#include "protocol/site.hpp"

namespace lamina {

/// Positions begin .. end-1.
struct position_span {
  position_t begin = 0;
  position_t end = 0;

  position_t size() const { return end - begin; }
  friend bool operator==(const position_span&, const position_span&) = default;
};

struct brought_conversation {
  wire::PutConversationT declared;
  std::vector<wire::TokenT> tokens;  // their positions are filled in

  /// Ranges of positions that have activations, ascending, each from the begin
  /// of a chunk of 16; and how their rows are read: [slot][position][width].
  std::vector<position_span> rows;
  std::function<result<void>(position_span, std::span<std::byte>)> read_rows;
  /// The error that the rows of this position's chunk have; none: exact.
  std::function<float(position_t)> relative_error;

  /// Ranges of positions that have lens records, ascending, and how they are
  /// read: [position][layers + 1]. `first_rated`: as PutLens says, and all
  /// later ones of a range always are.
  struct lens_range {
    position_span positions;
    bool first_rated = false;
  };
  std::vector<lens_range> lens;
  std::function<result<void>(position_span, std::span<std::byte>)> read_lens;

  bool wait_durable = false;
};

/// Bytes of one lens record on the wire.
inline constexpr std::size_t lens_record_bytes = 96;

/// Rows of one position in a frame: all slots of the sites that are declared.
std::size_t position_bytes(const wire::PutConversationT& declared);

/// The daemon's last answer. An error of a reading function, or the daemon's,
/// ends it; what came before is then kept as `interrupted` when the connection
/// goes, so close the client.
result<wire::BroughtT> bring(client& daemon, const brought_conversation& what);

}  // namespace lamina

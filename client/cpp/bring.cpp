#include "client/cpp/bring.hpp"

#include <algorithm>
#include <utility>

#include "protocol/limits.hpp"

namespace lamina {
namespace {

constexpr position_t chunk_positions = 16;

/// A frame's payload: large enough that what a frame costs does not count,
/// small enough to stay near the processor.
constexpr std::size_t frame_bytes = 4u << 20;
static_assert(frame_bytes <= limits::request_payload_bytes_max);

/// Positions of one frame: whole chunks where one fits.
position_t positions_per_frame(std::size_t position_size) {
  const auto fit = static_cast<position_t>(
      std::max<std::size_t>(frame_bytes / position_size, 1));
  return fit < chunk_positions ? fit : fit / chunk_positions * chunk_positions;
}

class sender {
 public:
  sender(client& daemon, const brought_conversation& what)
      : daemon_(daemon), what_(what) {}

  result<wire::BroughtT> run() {
    BOOST_OUTCOME_TRY(begun, daemon_.put(what_.declared));
    conversation_ = begun.conversation;
    BOOST_OUTCOME_TRYV(send_positions());
    BOOST_OUTCOME_TRYV(send_lens());
    wire::FinishConversationT finish;
    finish.conversation = conversation_;
    finish.wait_durable = what_.wait_durable;
    return daemon_.finish(finish);
  }

 private:
  result<void> send_positions() {
    const auto size = static_cast<position_t>(what_.tokens.size());
    position_t next = 0;
    for (const auto& range : what_.rows) {
      BOOST_OUTCOME_TRYV(send_bare({next, range.begin}));
      BOOST_OUTCOME_TRYV(send_rows(range));
      next = range.end;
    }
    return send_bare({next, size});
  }

  /// Tokens without activations.
  result<void> send_bare(position_span range) {
    constexpr position_t tokens_per_frame = 4096;
    while (range.begin < range.end) {
      const auto end = std::min(range.end, range.begin + tokens_per_frame);
      BOOST_OUTCOME_TRYV(send({range.begin, end}, {}, 0));
      range.begin = end;
    }
    return success();
  }

  float error_of(position_t at) const {
    return what_.relative_error ? what_.relative_error(at) : 0;
  }

  result<void> send_rows(position_span range) {
    const auto size = position_bytes(what_.declared);
    const auto most = positions_per_frame(size);
    while (range.begin < range.end) {
      const auto error = error_of(range.begin);
      auto end = std::min(range.end, range.begin + most);
      // An error is that of whole chunks.
      for (auto p = (range.begin / chunk_positions + 1) * chunk_positions;
           p < end; p += chunk_positions)
        if (error_of(p) != error) end = p;
      const position_span part{range.begin, end};
      payload_.resize(part.size() * size);
      BOOST_OUTCOME_TRYV(what_.read_rows(part, payload_));
      BOOST_OUTCOME_TRYV(send(part, payload_, error));
      range.begin = end;
    }
    return success();
  }

  result<void> send(position_span range, std::span<const std::byte> rows,
                    float relative_error) {
    wire::PutActivationsT put;
    put.conversation = conversation_;
    put.position_begin = range.begin;
    put.relative_error = relative_error;
    for (auto p = range.begin; p < range.end; ++p) {
      put.tokens.push_back(std::make_unique<wire::TokenT>(what_.tokens[p]));
      put.tokens.back()->position = p;
    }
    BOOST_OUTCOME_TRYV(daemon_.put(std::move(put), rows));
    return success();
  }

  result<void> send_lens() {
    const std::size_t size =
        (std::size_t{what_.declared.layers} + 1) * lens_record_bytes;
    const auto most = positions_per_frame(size);
    for (auto [range, first_rated] : what_.lens) {
      while (range.begin < range.end) {
        const position_span part{range.begin,
                                 std::min(range.end, range.begin + most)};
        payload_.resize(part.size() * size);
        BOOST_OUTCOME_TRYV(what_.read_lens(part, payload_));
        wire::PutLensT put;
        put.conversation = conversation_;
        put.position_begin = part.begin;
        put.position_end = part.end;
        put.first_rated = std::exchange(first_rated, true);
        BOOST_OUTCOME_TRYV(daemon_.put(put, payload_));
        range.begin = part.end;
      }
    }
    return success();
  }

  client& daemon_;
  const brought_conversation& what_;
  std::string conversation_;
  std::vector<std::byte> payload_;
};

}  // namespace

std::size_t position_bytes(const wire::PutConversationT& declared) {
  std::size_t slots = declared.sites.empty() ? declared.layers : 0;
  for (const auto number : declared.sites)
    slots += is_per_layer(static_cast<site>(number)) ? declared.layers : 1;
  return slots * declared.width * size_of(static_cast<dtype>(declared.dtype));
}

result<wire::BroughtT> bring(client& daemon, const brought_conversation& what) {
  return sender(daemon, what).run();
}

}  // namespace lamina

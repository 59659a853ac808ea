// Every limit that a peer can meet, with its reason. Checked before memory is
// taken for what the peer announced.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lamina::limits {

/// A control message. A 1 MB prompt fits; the daemon cuts what it sends into
/// frames far below this.
inline constexpr std::uint32_t control_bytes_max = 4u << 20;

/// A frame's payload. One position of 80 layers x 8192 in float32 is 2.6 MB;
/// bulk activations are cut into frames below this.
inline constexpr std::uint32_t payload_bytes_max = 16u << 20;

/// Payload of a request: rows of PutActivations, of which one position of 126
/// layers x 16384 in float32 fits, and records of PutLens.
inline constexpr std::uint32_t request_payload_bytes_max = 8u << 20;

/// Payload of a Search: a vector of 262,144 float32 values, beyond the width of
/// any model.
inline constexpr std::uint32_t search_payload_bytes_max = 1u << 20;

/// Payloads of one connection's requests that are not answered yet.
inline constexpr std::uint32_t payload_in_flight_bytes_max = 32u << 20;

/// Layers and width of brought activations, and bytes of one of their tokens.
inline constexpr std::uint32_t brought_layers_max = 4'096;
inline constexpr std::uint32_t brought_width_max = 1u << 20;
inline constexpr std::uint32_t brought_token_bytes_max = 4'096;

/// Bytes of the name that a brought conversation's model is to have.
inline constexpr std::uint32_t brought_name_bytes_max = 256;

/// Payload the daemon puts into one frame of a stream, so that clicks pass.
inline constexpr std::uint32_t stream_payload_bytes = 1u << 20;

/// When to try again after `overloaded`, where nothing better is known.
inline constexpr std::uint32_t retry_after_ms = 500;

/// Requests in flight on one connection.
inline constexpr std::uint32_t requests_per_connection_max = 64;

/// Frames read from a connection that its session has not taken up yet.
inline constexpr std::uint32_t inbound_frames_max = 32;

/// Connections at once.
inline constexpr std::uint32_t connections_max = 256;

/// A peer must finish its hello within this, unless the daemon is configured
/// otherwise. The frame of a hello is small; until it was accepted, nothing
/// larger is taken.
inline constexpr std::uint32_t handshake_ms_max = 5'000;
inline constexpr std::uint32_t hello_bytes_max = 8u << 10;

/// Tokens of nesting and tables that the FlatBuffers verifier accepts.
inline constexpr std::uint32_t message_depth_max = 16;
inline constexpr std::uint32_t message_tables_max = 300'000;

/// What a control message may take once unpacked: FlatBuffers can refer to one
/// string a million times. A full message of tokens unpacks to four times its
/// size; this is four times that.
inline constexpr std::uint32_t unpacked_bytes_max = 64u << 20;

/// The sentence of an Error; longer ones are cut.
inline constexpr std::uint32_t error_bytes_max = 2'048;

/// Positions in one GetActivations: rows of a whole long conversation.
inline constexpr std::uint32_t positions_max = 1u << 20;

/// Positions in one GetLens, and tokens of context before the first.
inline constexpr std::uint32_t lens_positions_max = 4'096;
inline constexpr std::uint32_t lens_context_max = 4'096;

/// Tokens that the daemon puts into one frame; longer answers are more frames.
/// Their bytes stay far below control_bytes_max, for a token has few.
inline constexpr std::uint32_t frame_tokens_max = 4'096;

/// Lines of a ledger after which a frame ends: 100 bytes each. A chunk has one
/// for each stored value at most, and another for rows behind it.
inline constexpr std::uint32_t frame_ledger_lines_max = 8'192;

/// Conversations in one frame of a list.
inline constexpr std::uint32_t frame_conversations_max = 1'000;

/// Answers of one connection that wait to be written: beyond this no further
/// request is read from it.
inline constexpr std::uint64_t unwritten_bytes_max = 32u << 20;

/// Of one ReadLens: predictions for each layer, tokens tracked, bytes of the
/// text of each. 80 layers of 1000 predictions take 2.5 MB with their texts.
inline constexpr std::uint32_t lens_top_k_max = 1'000;
inline constexpr std::uint32_t lens_tracked_max = 256;
inline constexpr std::uint32_t lens_tracked_bytes_max = 256;

/// Stop strings of one request, and bytes of each.
inline constexpr std::uint32_t stop_strings_max = 16;
inline constexpr std::uint32_t stop_bytes_max = 256;

/// Positions that one BenchCodec measures at most; wide models get fewer, so
/// that their exact rows take no more than these bytes.
inline constexpr std::uint32_t bench_positions_max = 1'024;
inline constexpr std::uint32_t bench_bytes_max = 64u << 20;

/// Tokens that one PlanCapture may speak of: a century of a fast model.
inline constexpr std::uint64_t plan_tokens_max = 1'000'000'000'000;

/// Hits of one search, tokens of context on either side of each (and bytes of
/// that, and of the hit's own text), bytes of the text looked for, and
/// conversations that it may name.
inline constexpr std::uint32_t search_top_max = 1'000;
inline constexpr std::uint32_t search_context_max = 64;
inline constexpr std::uint32_t search_context_bytes_max = 512;
inline constexpr std::uint32_t search_text_bytes_max = 4'096;
inline constexpr std::uint32_t search_conversations_max = 10'000;

/// Chunks that one VerifyCache has the model compute again.
inline constexpr std::uint32_t verify_sample_max = 10'000;

}  // namespace lamina::limits

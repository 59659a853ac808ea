// Provenance roots and chunk keys: what makes two activations the same.
//
// A conversation's tokens are cut into chunks of 16 positions. A full chunk is
// named by a hash over the chunk before it and its own 16 token ids; the first
// chunk hangs on the provenance root, a hash over everything else that the
// numbers depend on. Equal prefixes under one root thus have equal keys and
// are stored once, across conversations and forks.
//
// The open tail (1 to 15 positions) is named by its conversation instead,
// until it fills. Pure functions; any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "actors/chunks/digest.hpp"
#include "protocol/site.hpp"

namespace lamina {

/// Positions in a full chunk.
inline constexpr std::uint32_t chunk_positions = 16;

/// Raised when a fix changes the numbers that the engine computes, so that
/// activations from before and after it are never mixed.
inline constexpr std::uint32_t engine_revision = 2;

/// Everything besides the tokens that determines an activation.
struct provenance {
  digest model_fingerprint;  // configuration and weights
  dtype compute_dtype = dtype::float32;
  dtype kv_dtype = dtype::float32;
  std::string rope;               // resolved regime, e.g. "default:10000"
  std::string expert_vector;      // empty: none
  std::string steering;           // empty: none
  std::string origin = "engine";  // or "brought:<import id>"
  std::uint32_t revision = engine_revision;
  std::string weights;  // "int8"; empty: as the checkpoint has them
  std::string device;   // kind of what computes; empty: the CPU's own kernels
};

digest root_of(const provenance& p);

/// Key of a full chunk; `tokens` has exactly `chunk_positions` ids.
digest chunk_key(const digest& previous_or_root,
                 std::span<const token_id> tokens);

/// Key of the open tail of a conversation. `chunk` counts from 0.
digest tail_key(std::uint64_t conversation, std::uint32_t chunk);

/// Keys of all full chunks of `tokens`, in order.
std::vector<digest> chunk_keys(const digest& root,
                               std::span<const token_id> tokens);

constexpr std::uint32_t chunk_of(position_t position) {
  return position / chunk_positions;
}
constexpr std::uint32_t row_in_chunk(position_t position) {
  return position % chunk_positions;
}
constexpr position_t first_position(std::uint32_t chunk) {
  return chunk * chunk_positions;
}

}  // namespace lamina

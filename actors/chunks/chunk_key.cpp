#include "actors/chunks/chunk_key.hpp"

#include <cassert>

#include "actors/chunks/little_endian.hpp"

namespace lamina {

// The first item of every name says what it is a name of, so that a root, a
// chunk and a tail never share one.

digest root_of(const provenance& p) {
  digest_builder root;
  root.add("lamina root")
      .add(p.model_fingerprint)
      .add(static_cast<std::uint64_t>(p.compute_dtype))
      .add(static_cast<std::uint64_t>(p.kv_dtype))
      .add(p.rope)
      .add(p.expert_vector)
      .add(p.steering)
      .add(p.origin)
      .add(std::uint64_t{p.revision});
  // Roots of weights as they are stored, and of the CPU, are older than these.
  if (!p.weights.empty()) root.add(p.weights);
  if (!p.device.empty()) root.add(p.device);
  return root.finish();
}

digest chunk_key(const digest& previous_or_root,
                 std::span<const token_id> tokens) {
  assert(tokens.size() == chunk_positions);
  return digest_builder()
      .add("lamina chunk")
      .add(previous_or_root)
      .add(std::as_bytes(tokens))
      .finish();
}

digest tail_key(std::uint64_t conversation, std::uint32_t chunk) {
  return digest_builder()
      .add("lamina tail")
      .add(conversation)
      .add(std::uint64_t{chunk})
      .finish();
}

std::vector<digest> chunk_keys(const digest& root,
                               std::span<const token_id> tokens) {
  std::vector<digest> keys;
  keys.reserve(tokens.size() / chunk_positions);
  while (tokens.size() >= chunk_positions) {
    keys.push_back(chunk_key(keys.empty() ? root : keys.back(),
                             tokens.first(chunk_positions)));
    tokens = tokens.subspan(chunk_positions);
  }
  return keys;
}

}  // namespace lamina

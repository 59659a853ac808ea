// VerifyCache: reads, checks and decodes what is stored of the asker's
// conversations, as it is on disk, has the model compute a sample of chunks
// again, and streams how far it is and what it found.
//
// The auditor does the reading, a slice a message, so that a cancel gets in
// between. What is damaged is marked in the ledger of every conversation that
// has it; the next reader then has it computed and stored again.
//
// request_verify.cpp goes through the chunks and makes the answer;
// request_verify_sample.cpp has some of them computed again.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <random>
#include <unordered_map>
#include <vector>

#include "actors/interfaces.hpp"
#include "actors/messages/auditor.hpp"
#include "actors/messages/reader.hpp"
#include "actors/messages/rows.hpp"
#include "actors/request.hpp"

namespace lamina {

struct verify_request_state {
  using pointer = request_actor::stateful_pointer<verify_request_state>;
  explicit verify_request_state(pointer actor)
      : self(actor), random(std::random_device{}()) {}

  // The way through what is stored.
  void run();
  void choose(const conversations_found& found);
  void next_conversation();
  void take_chunks(const std::vector<chunk_record>& chunks);
  void next_slice(std::size_t begin);
  void take(const chunks_verified& verified);
  void tell(const audited_chunk& chunk, const finding& found);
  void mark(const audited_chunk& chunk, const finding& found);
  void add_damage(const audited_chunk& chunk, const finding& found);
  void record_damage(conversation_id id, const error& what);

  // The sample.
  void draw(const audited_chunk& chunk);
  bool can_compute(const conversation_record& record) const;
  void next_sample();
  void locate(const audited_chunk& chunk);
  void compute(const audited_chunk& chunk);
  void compare(const audited_chunk& chunk, const rows_loaded& loaded);
  void sampled(bool computed);

  // The answer.
  wire::VerifyResultT answer() const;
  void show_progress();
  void finish();
  void stop(const error& e);

  static inline const char* name = "request_verify";
  pointer self;
  request_context ctx;
  const wire::VerifyCacheT* ask = nullptr;
  std::vector<conversation_record> chosen;
  std::size_t taken = 0;                                   // conversations
  std::shared_ptr<const std::vector<audited_chunk>> pool;  // of the current one
  std::size_t shared = 0;  // chunks of the current one that were read before
  std::uint64_t done = 0;  // chunks of conversations before the current one
  // What was found under names read so far; most hold nothing.
  std::unordered_map<digest, std::vector<finding>, digest_hash> read;

  std::mt19937_64 random;
  std::uint64_t candidates = 0;
  std::vector<audited_chunk> sample;
  rows_actor rows_source;

  fidelities found;
  wire::VerifyResultT counts;  // without fidelities
  bool frame_out = false;      // not yet on the wire
  std::chrono::steady_clock::time_point last_frame;
  bool ended = false;
};

}  // namespace lamina

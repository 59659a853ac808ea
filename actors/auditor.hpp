// The auditor: says how what is on disk is. It reads with an LMDB reader of its
// own and decodes on its own thread, one bounded slice a message, so that an
// audit can be cancelled and no click waits behind one.
//
// What it reads goes nowhere but here: not into the shards, where it would push
// out what is being clicked.
#pragma once

#include <caf/stateful_actor.hpp>
#include <memory>

#include "actors/audit/verification.hpp"
#include "actors/book_finder.hpp"
#include "actors/interfaces.hpp"
#include "actors/messages/auditor.hpp"
#include "actors/messages/reader.hpp"
#include "actors/store/store.hpp"

namespace lamina {

/// Bounds on a slice of verifying: some ten milliseconds.
struct audit_options {
  std::uint64_t slice_bytes = 4u << 20;  // of stored values
  std::uint32_t slice_chunks = 256;
};

struct auditor_state {
  using pointer = auditor_actor::stateful_pointer<auditor_state>;
  explicit auditor_state(pointer) {}

  contents_read contents(const read_contents& m);
  verification_result verify(const verify_chunks& m);
  result<void> verify_one(const audited_chunk& chunk, std::size_t place,
                          chunks_verified& into);
  result<stored_header> check_value(const stored_value& value,
                                    const capture_shape& shape);
  result<void> verify_site(const audited_chunk& chunk, site at,
                           presence promised, std::size_t place,
                           chunks_verified& into);
  result<void> verify_lens(const audited_chunk& chunk, std::size_t place,
                           chunks_verified& into);
  result<bool> is_lost(const audited_chunk& chunk, site at);
  comparison_result compare(const compare_rows& m);

  static inline const char* name = "auditor";
  audit_options options;
  std::shared_ptr<store> environment;
  std::unique_ptr<store_reader> reader;
  book_finder books;
  verification check;
};

auditor_actor::behavior_type auditor(auditor_state::pointer self,
                                     std::shared_ptr<store> environment,
                                     audit_options options);

}  // namespace lamina

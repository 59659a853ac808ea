// Chunk names: who refers to each, and what it holds. A name's record counts
// its referrers and the bytes of its values and lens records; it stays until a
// sweep has freed them. A name that lost its last reference has a tombstone.
// Used inside one write transaction.
#pragma once

#include "actors/chunks/digest.hpp"
#include "actors/store/keys.hpp"
#include "actors/store/transaction.hpp"

namespace lamina {

struct name_record {
  std::uint32_t references = 0;
  /// Bit s is set when the values of site s were evicted. Presence is a fact
  /// about the name: one record says it for all conversations that share it.
  std::uint32_t evicted = 0;
  held_bytes held;

  friend bool operator==(const name_record& a, const name_record& b) {
    return a.references == b.references && a.evicted == b.evicted &&
           a.held.value_bytes == b.held.value_bytes &&
           a.held.lens_bytes == b.held.lens_bytes;
  }
};

constexpr std::uint32_t evicted_bit(site s) {
  return std::uint32_t{1} << static_cast<std::uint8_t>(s);
}

byte_string encode(const name_record& r);
/// An all-zero record for bytes of the wrong length: repair recounts it.
name_record decode_name(byte_view bytes);

/// An all-zero record for a name that is not there.
result<name_record> read_name(MDB_txn* txn, const databases& in,
                              const digest& name);
result<name_record> read_name(write_transaction& txn, const digest& name);
result<void> write_name(write_transaction& txn, const digest& name,
                        const name_record& record);

/// A chunk refers to `name`; again is no change. A tombstone is dropped: what
/// it would have freed counts as present again.
result<void> acquire(write_transaction& txn, const digest& name, referrer by);

/// It does so no more; the last leaves a tombstone.
result<void> release(write_transaction& txn, const digest& name, referrer by);

result<std::vector<referrer>> referrers_of(write_transaction& txn,
                                           const digest& name);

/// Shows eviction what is `present` in the record only: the values of the name
/// are gone for whoever refers to it.
void overlay(const name_record& name, chunk_record& chunk);

}  // namespace lamina

// Looks for records that disagree and puts them right, a slice a transaction:
//
//   names   what values, lens records and referrers say about a name is what
//           its record counts, and a tombstone is there when it must be;
//           orphans get a tombstone, and the next sweep frees them
//   chunks  each has a conversation and is counted as a referrer
//   access  each conversation stands in the access order once
//
// All changes of these happen in one transaction, so there is nothing to find
// after a crash: what is found is damage, or a bug.
#pragma once

#include "actors/store/names.hpp"

namespace lamina {

/// Where the next slice begins.
struct repair_place {
  enum class phase { names, chunks, conversations, access };
  phase in = phase::names;
  byte_string from;
};

class repair_slice {
 public:
  repair_slice(write_transaction& txn, repair_place& place)
      : txn_(txn), place_(place) {}

  /// Examines about `records_max` records; at the end of the last phase
  /// `more` is false and the place is the beginning again.
  result<repair_report> run(std::uint64_t records_max);

 private:
  result<bool> next_name();
  result<bool> next_key(
      MDB_dbi in, result<void> (repair_slice::*look)(const byte_string& key));
  result<void> look_at_name(const digest& name);
  result<name_record> recount(const digest& name);
  result<std::uint32_t> count_referrers(const digest& name);
  result<void> put_right(const digest& name, const name_record& counted);
  result<void> look_at_chunk(const byte_string& key);
  result<void> look_at_conversation(const byte_string& key);
  result<void> look_at_access(const byte_string& key);

  write_transaction& txn_;
  repair_place& place_;
  repair_report report_;
};

}  // namespace lamina

// A store that fails when it is told to, and is a real one otherwise.
#pragma once

#include <algorithm>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "actors/store/store.hpp"

namespace lamina {

class brittle_store final : public store {
 public:
  explicit brittle_store(std::shared_ptr<store> real)
      : real_(std::move(real)) {}

  bool full = false;          // commits fail, those with a deletion do not
  bool full_for_all = false;  // those fail, too
  bool throws_once = false;   // the next commit runs out of memory
  bool sweep_fails_once = false;
  std::vector<write_op> first;  // what the first commit was asked

  const opening_report& opened() const override { return real_->opened(); }
  result<commit_report> commit(std::span<const write_op> ops) override {
    if (std::exchange(throws_once, false)) throw std::bad_alloc();
    const bool deletes = std::ranges::any_of(ops, [](const write_op& op) {
      return std::holds_alternative<delete_conversation>(op);
    });
    if (full_for_all || (full && !deletes))
      return fail(error_code::disk_full, "no room");
    if (first.empty()) first.assign(ops.begin(), ops.end());
    return real_->commit(ops);
  }
  result<sweep_report> sweep(std::uint64_t bytes_max) override {
    if (std::exchange(sweep_fails_once, false))
      return fail(error_code::io_error, "a bad sector");
    return real_->sweep(bytes_max);
  }
  result<eviction_report> evict(const eviction_request& request) override {
    return real_->evict(request);
  }
  result<repair_report> repair(std::uint64_t records_max) override {
    return real_->repair(records_max);
  }
  result<store_statistics> statistics() const override {
    return real_->statistics();
  }
  result<usage_report> usage() const override { return real_->usage(); }
  result<lamina::usage> usage_of(conversation_id id) const override {
    return real_->usage_of(id);
  }
  std::unique_ptr<store_reader> reader() const override {
    return real_->reader();
  }

 private:
  std::shared_ptr<store> real_;
};

}  // namespace lamina

#include "actors/store/reader.hpp"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "actors/store/books.hpp"
#include "actors/store/names.hpp"
#include "actors/store/stored_records.hpp"

namespace lamina {
namespace {

// A read transaction that is renewed for each call and reset after it.
class reader final : public store_reader {
 public:
  explicit reader(std::shared_ptr<environment> env)
      : env_(std::move(env)), slot_(env_->take_slot()) {
    env_->readers += 1;
  }
  ~reader() override {
    env_->readers -= 1;
    if (slot_ == nullptr) return;
    give_up_transaction();
    slot_->taken = false;
  }
  reader(const reader&) = delete;
  reader& operator=(const reader&) = delete;

  result<std::vector<conversation_record>> conversations() override;
  std::vector<error> passed_over() const override { return passed_over_; }
  result<std::vector<chunk_record>> chunks(conversation_id id) override;
  result<std::vector<stored_value_ptr>> values(
      std::span<const value_key> keys) override;
  result<bool> value(const value_key& key, stored_value& into) override;
  result<std::vector<result<book_record>>> books() override;
  result<std::optional<book_record>> book(std::uint64_t id) override;
  result<lens_block_ptr> lens(const digest& name) override;
  result<std::vector<chunk_contents>> contents(std::span<const digest> names,
                                               std::size_t head_bytes) override;
  result<std::uint32_t> references(const digest& name) override;

 private:
  // Ends the snapshot with the call that took it.
  class snapshot {
   public:
    snapshot(environment_use use, reader_slot& slot)
        : use_(std::move(use)), slot_(&slot) {
      const auto now = std::chrono::steady_clock::now().time_since_epoch();
      slot.since_ns = std::chrono::nanoseconds(now).count();
    }
    snapshot(snapshot&& other) noexcept
        : use_(std::move(other.use_)),
          slot_(std::exchange(other.slot_, nullptr)) {}
    snapshot& operator=(snapshot&&) = delete;
    ~snapshot() {
      if (slot_ == nullptr) return;
      mdb_txn_reset(slot_->txn);
      slot_->since_ns = 0;
    }
    MDB_txn* txn() const { return slot_->txn; }

   private:
    environment_use use_;
    reader_slot* slot_;
  };

  result<snapshot> take_snapshot() {
    if (slot_ == nullptr) return lmdb_error(MDB_READERS_FULL, "read");
    BOOST_OUTCOME_TRY(use, environment_use::begin(*env_));
    const int rc =
        slot_->txn == nullptr
            ? mdb_txn_begin(env_->env.get(), nullptr, MDB_RDONLY, &slot_->txn)
            : mdb_txn_renew(slot_->txn);
    if (rc != 0) return lmdb_error(rc, "begin a read transaction");
    return snapshot(std::move(use), *slot_);
  }

  result<void> read_into(const value_key& key, const mapped_bytes& record,
                         stored_value& into);

  // While the environment is closing the writer does it.
  void give_up_transaction() {
    env_->uses += 1;
    while (env_->now == environment::state::closing) {
      env_->uses -= 1;
      std::this_thread::yield();
      env_->uses += 1;
    }
    if (slot_->txn != nullptr)
      mdb_txn_abort(std::exchange(slot_->txn, nullptr));
    env_->uses -= 1;
  }

  std::shared_ptr<environment> env_;
  reader_slot* slot_;
  std::vector<error> passed_over_;
};

result<std::vector<conversation_record>> reader::conversations() {
  BOOST_OUTCOME_TRY(now, take_snapshot());
  BOOST_OUTCOME_TRY(at, cursor::open(now.txn(), env_->in.conversations));
  passed_over_.clear();
  std::vector<conversation_record> records;
  BOOST_OUTCOME_TRY(more, at.next());
  while (more) {
    BOOST_OUTCOME_TRY(bytes, at.value().copy());
    auto record = open_conversation(at.key(), bytes);
    if (record.has_value())
      records.push_back(std::move(record).value());
    else
      passed_over_.push_back(record.error());
    BOOST_OUTCOME_TRY(another, at.next());
    more = another;
  }
  return records;
}

result<std::vector<chunk_record>> reader::chunks(conversation_id id) {
  BOOST_OUTCOME_TRY(now, take_snapshot());
  const auto prefix = key_of(id);
  BOOST_OUTCOME_TRY(known, find(now.txn(), env_->in.conversations, prefix));
  if (!known)
    return fail(error_code::not_found, "no conversation " + std::to_string(id));
  BOOST_OUTCOME_TRY(at, cursor::open(now.txn(), env_->in.chunks));
  std::vector<chunk_record> chunks;
  BOOST_OUTCOME_TRY(more, at.seek(prefix));
  while (more && starts_with(at.key(), prefix)) {
    // A gap (a failed commit, then a crash) or a chunk that is not full ends
    // what can be read: what lies behind it has lost its position.
    const auto expected = key_of(id, static_cast<std::uint32_t>(chunks.size()));
    if (!std::ranges::equal(at.key(), byte_view(expected))) break;
    BOOST_OUTCOME_TRY(bytes, at.value().copy());
    BOOST_OUTCOME_TRY(chunk, open_chunk(at.key(), bytes));
    BOOST_OUTCOME_TRY(name, read_name(now.txn(), env_->in, chunk.name));
    overlay(name, chunk);
    const bool last = chunk.tokens.size() < chunk_positions;
    chunks.push_back(std::move(chunk));
    if (last) break;
    BOOST_OUTCOME_TRY(another, at.next());
    more = another;
  }
  return chunks;
}

result<std::vector<stored_value_ptr>> reader::values(
    std::span<const value_key> keys) {
  BOOST_OUTCOME_TRY(now, take_snapshot());
  std::vector<stored_value_ptr> values;
  values.reserve(keys.size());
  for (const value_key& key : keys) {
    BOOST_OUTCOME_TRY(record, find(now.txn(), env_->in.values, key_of(key)));
    if (!record) {
      values.push_back(nullptr);
      continue;
    }
    auto value = std::make_shared<stored_value>();
    BOOST_OUTCOME_TRYV(read_into(key, *record, *value));
    values.push_back(std::move(value));
  }
  return values;
}

// A record cut short becomes a value that the codec finds corrupt, so that one
// damaged value does not hide the others.
result<void> reader::read_into(const value_key& key, const mapped_bytes& record,
                               stored_value& into) {
  BOOST_OUTCOME_TRY(prefix, record.copy(0, value_prefix_bytes));
  BOOST_OUTCOME_TRYV(record.copy_into(into.bytes, value_prefix_bytes));
  const auto summary = summary_of(prefix);
  into.key = key;
  // The prefix is under no checksum: rows that no value has would lead readers
  // astray before the codec has its say.
  into.rows = std::min(summary.rows, chunk_positions);
  into.relative_error = summary.relative_error;
  into.book = book_named_by(into.bytes);
  into.checked = false;
  return success();
}

result<bool> reader::value(const value_key& key, stored_value& into) {
  BOOST_OUTCOME_TRY(now, take_snapshot());
  BOOST_OUTCOME_TRY(record, find(now.txn(), env_->in.values, key_of(key)));
  if (!record) return false;
  BOOST_OUTCOME_TRYV(read_into(key, *record, into));
  return true;
}

result<std::vector<result<book_record>>> reader::books() {
  BOOST_OUTCOME_TRY(now, take_snapshot());
  BOOST_OUTCOME_TRY(at, cursor::open(now.txn(), env_->in.books));
  std::vector<result<book_record>> books;
  BOOST_OUTCOME_TRY(more, at.next());
  while (more) {
    BOOST_OUTCOME_TRY(bytes, at.value().copy());
    books.push_back(open_book(at.key(), bytes));
    BOOST_OUTCOME_TRY(another, at.next());
    more = another;
  }
  return books;
}

result<std::optional<book_record>> reader::book(std::uint64_t id) {
  BOOST_OUTCOME_TRY(now, take_snapshot());
  const auto key = key_of_book(id);
  BOOST_OUTCOME_TRY(record, get(now.txn(), env_->in.books, key));
  if (!record) return std::optional<book_record>();
  BOOST_OUTCOME_TRY(book, open_book(key, *record));
  return std::optional<book_record>(std::move(book));
}

result<lens_block_ptr> reader::lens(const digest& name) {
  BOOST_OUTCOME_TRY(now, take_snapshot());
  BOOST_OUTCOME_TRY(record, get(now.txn(), env_->in.lens, key_of(name)));
  if (!record) return lens_block_ptr();
  BOOST_OUTCOME_TRY(block, open_lens(name, *record));
  return lens_block_ptr(std::make_shared<const lens_block>(std::move(block)));
}

// The values of one name lie side by side.
result<std::vector<value_head>> heads_of(MDB_txn* txn, const databases& in,
                                         const digest& name,
                                         std::size_t head_bytes) {
  std::vector<value_head> heads;
  const auto prefix = key_of(name);
  BOOST_OUTCOME_TRY(at, cursor::open(txn, in.values));
  BOOST_OUTCOME_TRY(more, at.seek(prefix));
  while (more && starts_with(at.key(), prefix)) {
    if (at.key().size() != sizeof(key_of(value_key{}))) break;
    BOOST_OUTCOME_TRY(record,
                      at.value().copy(0, value_prefix_bytes + head_bytes));
    const auto first = stored_bytes_of(record);
    value_head head;
    head.key = value_key_at(at.key());
    head.rows = summary_of(record).rows;
    head.stored_bytes =
        at.value().size() - std::min(at.value().size(), value_prefix_bytes);
    head.first_bytes.assign(first.begin(), first.end());
    heads.push_back(std::move(head));
    BOOST_OUTCOME_TRY(another, at.next());
    more = another;
  }
  return heads;
}

result<std::vector<chunk_contents>> reader::contents(
    std::span<const digest> names, std::size_t head_bytes) {
  BOOST_OUTCOME_TRY(now, take_snapshot());
  std::vector<chunk_contents> all;
  all.reserve(names.size());
  for (const digest& name : names) {
    BOOST_OUTCOME_TRY(record, read_name(now.txn(), env_->in, name));
    chunk_contents one{
        name, record.references, record.evicted, record.held, {}};
    if (head_bytes != 0) {
      BOOST_OUTCOME_TRY(heads, heads_of(now.txn(), env_->in, name, head_bytes));
      one.values = std::move(heads);
    }
    all.push_back(std::move(one));
  }
  return all;
}

result<std::uint32_t> reader::references(const digest& name) {
  BOOST_OUTCOME_TRY(now, take_snapshot());
  BOOST_OUTCOME_TRY(record, read_name(now.txn(), env_->in, name));
  return record.references;
}

}  // namespace

std::unique_ptr<store_reader> make_reader(std::shared_ptr<environment> env) {
  return std::make_unique<reader>(std::move(env));
}

}  // namespace lamina

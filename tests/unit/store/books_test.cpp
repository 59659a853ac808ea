// Code books in the store: there before a value names them, and as long as one
// does.
#include "actors/store/books.hpp"

#include "actors/store/page_check.hpp"
#include "tests/unit/store/lmdb_access.hpp"
#include "tests/unit/store/store_fixture.hpp"

namespace lamina {
namespace {

using testing::SizeIs;

constexpr std::uint64_t id = 0x0102030405060708;
constexpr std::uint64_t golden_seal =
    4771029809875902527;  // of the record below

lmdb_access::bytes text_key(std::string_view text) {
  const auto key = std::as_bytes(std::span(text));
  return {key.begin(), key.end()};
}

class BooksTest : public StoreTest {
 protected:
  static put_book book(std::uint64_t which = id) {
    return {{which, name(200), {std::byte{0xb0}, std::byte{0x0c}}}};
  }

  /// Begins as values of the codec do, and names a book.
  static stored_value_ptr naming(std::uint8_t chunk_name, std::uint32_t rows,
                                 std::uint64_t which = id) {
    auto made = std::make_shared<stored_value>(*value(name(chunk_name), rows));
    const unsigned char begins[] = {'L', 'V', 'A', 'L', 2, 0};
    std::memcpy(made->bytes.data(), begins, sizeof begins);
    std::memcpy(made->bytes.data() + value_book_offset, &which, sizeof which);
    return made;
  }

  put_chunk holding(conversation_id conversation, std::uint8_t chunk_name,
                    stored_value_ptr v) {
    return {conversation, 0, chunk(name(chunk_name), v->rows), {v}, nullptr};
  }

  std::size_t books() { return reader_->books().value().size(); }

  std::uint64_t uses() {
    close();
    std::uint64_t count = 0;
    {
      lmdb_access inside(options().directory);
      if (inside.keys("book_uses")->size() == 1)
        std::memcpy(&count, inside.record("book_uses", key()).data(),
                    sizeof count);
    }
    open();
    return count;
  }

  static lmdb_access::bytes key() {
    const auto k = key_of_book(id);
    return {k.begin(), k.end()};
  }
};

TEST_F(BooksTest, ReadBackAsTheyWereWritten) {
  put({book(), put_conversation{conversation(1)}});
  reopen();
  const auto back = reader_->book(id).value();
  ASSERT_TRUE(back);
  EXPECT_EQ(back->id, id);
  EXPECT_EQ(back->root, name(200));
  EXPECT_EQ(back->bytes, book().book.bytes);
  EXPECT_FALSE(reader_->book(id + 1).value());
}

TEST_F(BooksTest, TheRecordsBytesAreThese) {
  put({book()});
  close();
  const auto record = lmdb_access(options().directory).record("books", key());
  // The seal, u16 version 1, the root, the book.
  ASSERT_THAT(record, SizeIs(8 + 2 + 16 + 2));
  EXPECT_EQ(record[8], std::byte{1});
  EXPECT_EQ(record[9], std::byte{0});
  EXPECT_EQ(record[10], std::byte{200});
  EXPECT_EQ(record[26], std::byte{0xb0});
  EXPECT_EQ(record[27], std::byte{0x0c});
  std::uint64_t seal = 0;
  std::memcpy(&seal, record.data(), sizeof seal);
  EXPECT_EQ(seal, golden_seal);
  open();
}

TEST_F(BooksTest, AValueThatNamesNoneThatIsThereIsRefusedWhole) {
  const auto report =
      commit({put_conversation{conversation(1)}, holding(1, 5, naming(5, 16))});
  ASSERT_TRUE(report.failed[1]);
  EXPECT_EQ(report.failed[1]->code, error_code::not_found);
  EXPECT_THAT(chunks(1), SizeIs(0)) << "nothing of the operation is there";
  put({book(), holding(1, 5, naming(5, 16))});
  EXPECT_NE(read(name(5)), nullptr);
}

TEST_F(BooksTest, UsesFollowTheValues) {
  put({book(), put_conversation{conversation(1)},
       put_conversation{conversation(2)}});
  put({holding(1, 5, naming(5, 3)), holding(2, 6, naming(6, 16))});
  EXPECT_EQ(uses(), 2u);
  put({holding(1, 5, naming(5, 9))});
  EXPECT_EQ(uses(), 2u) << "it replaces one that named it too";
  put({holding(1, 5, value(name(5), 16))});
  EXPECT_EQ(uses(), 1u);
  put({delete_conversation{2}});
  EXPECT_EQ(uses(), 1u) << "it is still there until the sweep";
  EXPECT_TRUE(store_->sweep(1 << 20).has_value());
  EXPECT_EQ(uses(), 0u);
  EXPECT_EQ(store_->repair(1000).value().repaired(), 0u);
}

TEST_F(BooksTest, GoWhenNoValueAndNoConversationIsLeft) {
  put({book(), put_conversation{conversation(1)},
       holding(1, 5, naming(5, 16))});
  put({delete_conversation{1}});
  reopen();
  EXPECT_EQ(books(), 1u) << "a value that waits for its sweep names it";
  EXPECT_TRUE(store_->sweep(1 << 20).has_value());
  EXPECT_EQ(books(), 1u) << "somebody may be encoding with it";
  reopen();
  EXPECT_EQ(books(), 0u);
}

TEST_F(BooksTest, StayForTheConversationsOfTheirRoot) {
  put({book(), book(id + 1), put_conversation{conversation(1)}});
  reopen();
  EXPECT_EQ(books(), 2u);
}

TEST_F(BooksTest, ADamagedOneIsToldAndCanBeWrittenAgain) {
  put({book(), put_conversation{conversation(1)}});
  put({holding(1, 5, naming(5, 16))});
  close();
  {
    lmdb_access inside(options().directory);
    auto record = inside.record("books", key());
    record.back() ^= std::byte{1};
    inside.put("books", key(), record);
  }
  open();
  EXPECT_EQ(reader_->book(id).error().code, error_code::corrupt);
  const auto all = reader_->books().value();
  ASSERT_THAT(all, SizeIs(1));
  EXPECT_TRUE(all[0].has_error());
  put({book()});
  EXPECT_EQ(reader_->book(id).value()->bytes, book().book.bytes);
}

TEST_F(BooksTest, AreInTheAccounts) {
  put({book(), put_conversation{conversation(1)},
       holding(1, 5, naming(5, 16))});
  const auto s = statistics();
  EXPECT_EQ(s.tables[8].records, 1u);
  EXPECT_EQ(s.tables[8].payload_bytes, 8u + 28);
  EXPECT_EQ(s.tables[9].records, 1u);
  EXPECT_EQ(s.tables[9].payload_bytes, 16u);
  close();
  const auto pages = check_pages(options().directory / "data.mdb").value();
  EXPECT_EQ(pages.databases.at("books").payload_bytes, 8u + 28);
  EXPECT_EQ(pages.databases.at("book_uses").entries, 1u);
}

TEST_F(BooksTest, AStoreOfVersion2BecomesOneOfVersion3) {
  put({put_conversation{conversation(1)}, holding(1, 5, value(name(5), 16))});
  const auto before = statistics();
  close();
  {
    // Version 2 is this without the two databases and their totals.
    lmdb_access inside(options().directory);
    inside.drop("books");
    inside.drop("book_uses");
    auto totals = inside.record("format", text_key("totals"));
    ASSERT_THAT(totals, SizeIs(80));
    totals.resize(64);
    inside.put("format", text_key("totals"), totals);
    inside.put("format", text_key("version"),
               {std::byte{2}, std::byte{}, std::byte{}, std::byte{}});
  }
  open();
  ASSERT_TRUE(store_->opened().migrated_from);
  EXPECT_EQ(*store_->opened().migrated_from, 2u);
  EXPECT_EQ(read(name(5))->bytes, value(name(5), 16)->bytes);
  const auto after = statistics();
  for (std::size_t i = 0; i < after.tables.size(); ++i)
    EXPECT_EQ(after.tables[i].payload_bytes, before.tables[i].payload_bytes);
  put({book(), holding(1, 5, naming(5, 16))});
  reopen();
  EXPECT_FALSE(store_->opened().migrated_from);
  EXPECT_EQ(books(), 1u);
}

}  // namespace
}  // namespace lamina

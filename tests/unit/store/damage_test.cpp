// Bytes that changed on disk, and formats from the future: the database is
// altered through LMDB itself, behind the store's back.
#include <lmdb.h>

#include <cstring>
#include <functional>

#include "actors/store/stored_records.hpp"
#include "tests/unit/store/store_fixture.hpp"

namespace lamina {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

class DamageTest : public StoreTest {
 protected:
  DamageTest() {
    put({put_conversation{conversation(1)}, put_conversation{conversation(2)},
         put_chunk{1, 0, chunk(name(1), 16), {value(name(1), 16)}, lens(0, 4)},
         put_chunk{2, 0, chunk(name(2), 16), {value(name(2), 16)}, {}}});
  }

  /// Changes the first record of a database while the store is closed.
  void alter_first(const char* database,
                   const std::function<void(std::vector<std::byte>&)>& change) {
    close();
    MDB_env* env = nullptr;
    MDB_txn* txn = nullptr;
    MDB_dbi in = 0;
    MDB_cursor* at = nullptr;
    MDB_val key{}, record{};
    ASSERT_EQ(mdb_env_create(&env), 0);
    mdb_env_set_maxdbs(env, 16);
    mdb_env_set_mapsize(env, std::size_t{1} << 30);
    ASSERT_EQ(mdb_env_open(env, options().directory.c_str(), 0, 0600), 0);
    ASSERT_EQ(mdb_txn_begin(env, nullptr, 0, &txn), 0);
    ASSERT_EQ(mdb_dbi_open(txn, database, 0, &in), 0);
    ASSERT_EQ(mdb_cursor_open(txn, in, &at), 0);
    ASSERT_EQ(mdb_cursor_get(at, &key, &record, MDB_FIRST), 0);
    const auto* first = static_cast<const std::byte*>(record.mv_data);
    std::vector<std::byte> bytes(first, first + record.mv_size);
    const auto* key_first = static_cast<const std::byte*>(key.mv_data);
    std::vector<std::byte> key_bytes(key_first, key_first + key.mv_size);
    mdb_cursor_close(at);
    change(bytes);
    key = {key_bytes.size(), key_bytes.data()};
    record = {bytes.size(), bytes.data()};
    ASSERT_EQ(mdb_put(txn, in, &key, &record, 0), 0);
    ASSERT_EQ(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
  }
  void flip(const char* database, std::size_t at) {
    alter_first(database, [at](std::vector<std::byte>& bytes) {
      bytes.at(at) ^= std::byte{4};
    });
    open();
  }
};

TEST_F(DamageTest, FlippedByteInALensRecordIsCorrupt) {
  flip("lens", 200);
  const auto block = reader_->lens(name(1));
  ASSERT_TRUE(block.has_error());
  EXPECT_EQ(block.error().code, error_code::corrupt);
  EXPECT_THAT(block.error().context, HasSubstr(to_string(name(1))));
}

TEST_F(DamageTest, DamagedLensGivesWayToANewOne) {
  flip("lens", 9);
  put({put_lens{name(1), lens(0, 2)}});
  EXPECT_EQ(reader_->lens(name(1)).value()->complete, 0b11u);
}

TEST_F(DamageTest, DamagedConversationIsPassedOverAndNamed) {
  flip("conversations", 20);
  const auto rest = reader_->conversations().value();
  ASSERT_THAT(rest, SizeIs(1));
  EXPECT_EQ(rest[0].id, 2u);
  const auto damaged = reader_->passed_over();
  ASSERT_THAT(damaged, SizeIs(1));
  EXPECT_EQ(damaged[0].code, error_code::corrupt);
  EXPECT_THAT(damaged[0].context, HasSubstr("conversation 1"));
  put({delete_conversation{1}});
  EXPECT_THAT(reader_->conversations().value(), SizeIs(1));
  EXPECT_THAT(reader_->passed_over(), SizeIs(0));
}

TEST_F(DamageTest, DamagedChunkIsCorruptAndCanBeDeleted) {
  flip("chunks", 30);
  const auto damaged = reader_->chunks(1);
  ASSERT_TRUE(damaged.has_error());
  EXPECT_EQ(damaged.error().code, error_code::corrupt);
  EXPECT_THAT(damaged.error().context, HasSubstr("conversation 1, chunk 0"));
  EXPECT_THAT(chunks(2), SizeIs(1));
  put({delete_conversation{1}});
  EXPECT_EQ(reader_->chunks(1).error().code, error_code::not_found);
}

TEST_F(DamageTest, DamagedChunkGivesWayToANewOne) {
  flip("chunks", 30);
  put({put_chunk{1, 0, chunk(name(1), 16), {value(name(1), 16)}, nullptr}});
  EXPECT_EQ(chunks(1)[0].name, name(1));
  EXPECT_GE(references(name(1)), 1u);
}

TEST_F(DamageTest, SoundRecordUnderAnotherKeyIsCorrupt) {
  std::vector<std::byte> other;
  alter_first("chunks", [&other](auto& bytes) { other = bytes; });
  open();
  put({delete_conversation{1}});
  // Now the first record is that of conversation 2.
  alter_first("chunks", [&other](auto& bytes) { bytes = other; });
  open();
  EXPECT_EQ(reader_->chunks(2).error().code, error_code::corrupt);
}

// Found by the fuzzer: its error read the key as if it were whole.
TEST(DamagedKey, ChunkUnderAKeyThatIsTooShortIsCorrupt) {
  for (const std::size_t bytes : {0u, 5u, 8u, 11u}) {
    const std::vector<std::byte> key(bytes);
    const auto opened = open_chunk(key, {});
    ASSERT_TRUE(opened.has_error());
    EXPECT_EQ(opened.error().code, error_code::corrupt);
    EXPECT_EQ(big_endian_at<std::uint32_t>(key, 8), 0u);
  }
}

TEST_F(DamageTest, ValueCutShortIsHandedOnForTheCodecToRefuse) {
  alter_first("values", [](auto& bytes) { bytes.resize(3); });
  open();
  EXPECT_THAT(read(name(1))->bytes, SizeIs(0));
  EXPECT_THAT(read(name(2))->bytes, SizeIs(1000));
}

TEST_F(DamageTest, NewerFormatIsRefusedByNumber) {
  // "totals" precedes "version": write a version record over a copy.
  close();
  MDB_env* env = nullptr;
  MDB_txn* txn = nullptr;
  MDB_dbi in = 0;
  ASSERT_EQ(mdb_env_create(&env), 0);
  mdb_env_set_maxdbs(env, 16);
  ASSERT_EQ(mdb_env_open(env, options().directory.c_str(), 0, 0600), 0);
  ASSERT_EQ(mdb_txn_begin(env, nullptr, 0, &txn), 0);
  ASSERT_EQ(mdb_dbi_open(txn, "format", 0, &in), 0);
  char text[] = "version";
  std::uint32_t version = 99;
  MDB_val key{7, text}, record{sizeof version, &version};
  ASSERT_EQ(mdb_put(txn, in, &key, &record, 0), 0);
  ASSERT_EQ(mdb_txn_commit(txn), 0);
  mdb_env_close(env);

  const auto opened = store::open(options());
  ASSERT_TRUE(opened.has_error());
  EXPECT_EQ(opened.error().code, error_code::unsupported_version);
  EXPECT_THAT(opened.error().context, HasSubstr("99"));
}

TEST_F(DamageTest, FileThatIsNoDatabaseIsSetAside) {
  close();
  std::FILE* file =
      std::fopen((options().directory / "data.mdb").c_str(), "r+");
  ASSERT_NE(file, nullptr);
  const std::vector<char> zeros(8192);
  std::fwrite(zeros.data(), 1, zeros.size(), file);
  std::fclose(file);
  open();
  ASSERT_TRUE(store_->opened().damage);
  EXPECT_EQ(store_->opened().damage->code, error_code::corrupt);
  EXPECT_EQ(store_->opened().moved_to, options().directory / "damaged-1");
  EXPECT_TRUE(std::filesystem::exists(store_->opened().moved_to / "data.mdb"));
  EXPECT_THAT(reader_->conversations().value(), SizeIs(0));
}

}  // namespace
}  // namespace lamina

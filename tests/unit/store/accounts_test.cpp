// The accounts add up to the byte, and agree with a walk over every page.
#include <lmdb.h>
#include <sys/wait.h>
#include <unistd.h>

#include <random>

#include "actors/store/page_check.hpp"
#include "tests/unit/store/store_fixture.hpp"

namespace lamina {
namespace {

// Another program that holds a snapshot until this object goes.
class other_reader {
 public:
  explicit other_reader(const std::filesystem::path& directory) {
    int up[2], down[2];
    if (::pipe(up) != 0 || ::pipe(down) != 0) std::abort();
    child_ = ::fork();
    if (child_ == 0) hold(directory, up[1], down);
    ::close(up[1]);
    ::close(down[0]);
    end_ = down[1];
    char ready = 0;
    EXPECT_EQ(::read(up[0], &ready, 1), 1);
    ::close(up[0]);
  }
  other_reader(const other_reader&) = delete;
  other_reader& operator=(const other_reader&) = delete;
  ~other_reader() {
    ::close(end_);
    ::waitpid(child_, nullptr, 0);
  }

 private:
  [[noreturn]] static void hold(const std::filesystem::path& directory,
                                int ready, const int (&down)[2]) {
    ::close(down[1]);
    MDB_env* env = nullptr;
    MDB_txn* txn = nullptr;
    if (mdb_env_create(&env) != 0 ||
        mdb_env_open(env, directory.c_str(), MDB_RDONLY, 0) != 0 ||
        mdb_txn_begin(env, nullptr, MDB_RDONLY, &txn) != 0 ||
        ::write(ready, "", 1) != 1)
      ::_exit(1);
    char ignored = 0;
    ::_exit(::read(down[0], &ignored, 1) == 0 ? 0 : 1);
  }
  pid_t child_ = 0;
  int end_ = -1;
};

class AccountsTest : public StoreTest {
 protected:
  static conversation_record of(conversation_id id, std::uint32_t uid,
                                std::string model) {
    auto r = conversation(id);
    r.owner_uid = uid;
    r.model = std::move(model);
    return r;
  }

  void expect_to_add_up(const char* when) {
    const auto f = statistics().file;
    EXPECT_EQ(f.file_bytes + f.unwritten_bytes - f.behind_bytes,
              f.own_bytes + f.live_bytes + f.rounding_bytes + f.free_bytes)
        << when;
    std::error_code ignored;
    EXPECT_EQ(f.file_bytes, std::filesystem::file_size(
                                options().directory / "data.mdb", ignored));
  }

  // Closes the store: nobody may write while its pages are counted.
  void expect_to_agree_with_the_pages() {
    const auto s = statistics();
    close();
    const auto counted = check_pages(options().directory / "data.mdb");
    ASSERT_TRUE(counted.has_value()) << to_string(counted.error());
    const auto& pages = counted.value();
    EXPECT_EQ(pages.lost_pages, 0u);
    EXPECT_EQ(pages.free_pages * pages.page_bytes, s.file.free_bytes);
    EXPECT_EQ(pages.pages * pages.page_bytes,
              s.file.file_bytes + s.file.unwritten_bytes - s.file.behind_bytes);
    for (std::size_t i = 0; i < table_names.size(); ++i) {
      const auto& found = pages.databases.at(std::string(table_names[i]));
      EXPECT_EQ(found.entries, s.tables[i].records) << table_names[i];
      EXPECT_EQ(found.payload_bytes, s.tables[i].payload_bytes)
          << table_names[i];
    }
    open();
  }

  static held_bytes sum(const usage_report& all) {
    held_bytes unique = all.shared_by_conversations;
    for (const auto& c : all.conversations)
      unique += c.used.unique;
    return unique;
  }

  // Random operations of every kind, sizes from inline to many pages.
  void work(std::uint32_t seed, int rounds) {
    std::mt19937 random(seed);
    const auto below = [&random](std::uint32_t n) { return random() % n; };
    for (int i = 0; i < rounds; ++i) {
      const conversation_id id = 1 + below(12);
      auto record = of(id, 1000 + static_cast<std::uint32_t>(id % 3),
                       id % 2 == 0 ? "even" : "odd");
      record.accessed_unix_ms = 1000 + i;
      std::vector<write_op> ops{put_conversation{record}};
      for (std::uint32_t index = 0; index < below(6); ++index) {
        // Few names, so that many are shared.
        const digest n = name(static_cast<std::uint8_t>(1 + below(40)));
        ops.push_back(
            put_chunk{id,
                      index,
                      chunk(n, 16),
                      {value(n, 16, 1 + below(30'000)),
                       value(n, 16, 1 + below(900), site::embed)},
                      below(2) == 0 ? lens(0, 1 + below(16)) : nullptr});
      }
      if (below(5) == 0) ops.push_back(delete_conversation{1 + below(12)});
      if (below(4) == 0)
        ops.push_back(touch_conversations{{{1 + below(12), 5000 + i}}});
      auto fork = of(100 + static_cast<std::uint32_t>(i), 1000, "odd");
      fork.forked_at = 5;
      if (below(6) == 0) ops.push_back(fork_conversation{id, fork});
      commit(ops);
      if (below(4) == 0) {
        ASSERT_TRUE(store_->sweep(20'000).has_value());
      }
      eviction_request request;
      request.values.used_bytes_max = 100'000;
      request.bytes_max = 60'000;
      request.now_unix_ms = 10'000;
      if (below(5) == 0) {
        ASSERT_TRUE(store_->evict(request).has_value());
      }
    }
  }
};

TEST_F(AccountsTest, EmptyStoreAddsUp) {
  expect_to_add_up("empty");
  expect_to_agree_with_the_pages();
}

TEST_F(AccountsTest, AddUpToTheByteAfterMixedWork) {
  for (std::uint32_t seed = 1; seed <= 6; ++seed) {
    work(seed, 60);
    expect_to_add_up("after mixed work");
    expect_to_agree_with_the_pages();
    expect_to_add_up("reopened");
  }
  EXPECT_GT(statistics().file.free_bytes, 0u);
  EXPECT_GT(statistics().file.rounding_bytes, 0u);
}

TEST_F(AccountsTest, UsageAddsUpToWhatTheTablesHold) {
  for (std::uint32_t seed = 20; seed <= 25; ++seed) {
    work(seed, 60);
    const auto all = store_->usage().value();
    const auto s = statistics();
    EXPECT_EQ(sum(all).sum(), all.held.sum());
    held_bytes owners = all.shared_by_owners, models = all.shared_by_models;
    std::uint64_t records = 0;
    for (const auto& o : all.owners) {
      owners += o.used.unique;
      records += o.used.record_bytes;
    }
    for (const auto& m : all.models)
      models += m.used.unique;
    EXPECT_EQ(owners.sum(), all.held.sum());
    EXPECT_EQ(models.sum(), all.held.sum());
    EXPECT_EQ(all.held.value_bytes + all.waiting.value_bytes,
              s.tables[2].payload_bytes);
    EXPECT_EQ(all.held.lens_bytes + all.waiting.lens_bytes,
              s.tables[3].payload_bytes);
    EXPECT_EQ(records, s.tables[0].payload_bytes + s.tables[1].payload_bytes);
  }
}

TEST_F(AccountsTest, ChunkOfSeveralConversationsIsShared) {
  put({put_conversation{of(1, 1000, "a")}, put_conversation{of(2, 1000, "a")},
       put_conversation{of(3, 1001, "a")},
       put_chunk{1, 0, chunk(name(1), 16), {value(name(1), 16, 977)}, {}},
       put_chunk{2, 0, chunk(name(1), 16), {}, {}},
       put_chunk{2, 1, chunk(name(2), 16), {value(name(2), 16, 1977)}, {}},
       put_chunk{3, 0, chunk(name(3), 16), {value(name(3), 16, 2977)}, {}}});
  const auto all = store_->usage().value();
  // A value's payload is its key's 19 bytes, the rows' 4 and its own.
  ASSERT_EQ(all.conversations.size(), 3u);
  EXPECT_EQ(all.conversations[0].used.unique.value_bytes, 0u);
  EXPECT_EQ(all.conversations[0].used.shared.value_bytes, 1000u);
  EXPECT_EQ(all.conversations[1].used.unique.value_bytes, 2000u);
  EXPECT_EQ(all.conversations[1].used.shared.value_bytes, 1000u);
  EXPECT_EQ(all.conversations[2].used.unique.value_bytes, 3000u);
  ASSERT_EQ(all.owners.size(), 2u);
  EXPECT_EQ(all.owners[0].conversations, 2u);
  EXPECT_EQ(all.owners[0].used.unique.value_bytes, 3000u);
  EXPECT_EQ(all.owners[0].used.shared.value_bytes, 0u);
  ASSERT_EQ(all.models.size(), 1u);
  EXPECT_EQ(all.models[0].used.unique.value_bytes, 6000u);
  EXPECT_EQ(all.shared_by_conversations.value_bytes, 1000u);
  EXPECT_EQ(all.held.value_bytes, 6000u);
}

TEST_F(AccountsTest, OldestReaderHasNoAgeBetweenCalls) {
  put({put_conversation{of(1, 1000, "a")}});
  EXPECT_EQ(reader_->conversations().value().size(), 1u);
  EXPECT_EQ(statistics().oldest_reader_ms, 0u);
  EXPECT_EQ(statistics().oldest_reader_lag, 0u);
}

TEST_F(AccountsTest, ReaderOfAnotherProgramThatLingersIsSeen) {
  put({put_conversation{of(1, 1000, "a")}});
  other_reader other(options().directory);
  for (int i = 0; i < 5; ++i)
    put({touch_conversations{{{1, 100 + i}}}});
  EXPECT_EQ(statistics().oldest_reader_lag, 5u);
}

}  // namespace
}  // namespace lamina

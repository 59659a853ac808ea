// Code books as the daemon keeps them: learned from what is captured with a
// loss, stored before a value names them, found by whoever decodes.
#include <nlohmann/json.hpp>

#include "actors/book_learner.hpp"
#include "actors/messages/answer_source.hpp"
#include "actors/messages/auditor.hpp"
#include "actors/messages/book_learner.hpp"
#include "actors/messages/rows.hpp"
#include "actors/messages/search.hpp"
#include "actors/rows.hpp"
#include "tests/unit/actors/fixture.hpp"
#include "tests/unit/store/lmdb_access.hpp"

namespace lamina {
namespace {

class books_test : public actor_test {
 protected:
  books_test() { start(); }

  static std::shared_ptr<turn_options> kept_as(quality kept, int which = 0,
                                               std::uint32_t tokens = 60) {
    auto options = turn("number " + std::to_string(which) + " of many", tokens);
    options->kept = kept;
    return options;
  }

  digest root() { return root_of(view()->models.at("tiny").model->origin()); }
  codebook_ptr book() { return view()->books->of(root()); }

  /// Turns that share nothing, until there is a book.
  void learn() {
    for (int i = 1; i < 60 && !book(); ++i)
      complete_turn(kept_as(quality::balanced, i));
    ASSERT_NE(book(), nullptr);
  }

  load_rows first_chunk() {
    auto shown = show(newest_).value();
    auto load = load_rows::of(shown->record, shown->chunks[0].name, 0, 3, 5);
    load.slots = {2, 1};
    load.position_end = chunk_positions;
    return load;
  }

  result<rows_loaded> load(const load_rows& wanted, const view_ptr& seen) {
    auto source = sys_->spawn(rows, seen);
    auto loaded = ask<result<rows_loaded>>(rows_actor(source), wanted);
    caf::anon_send_exit(source, caf::exit_reason::user_shutdown);
    finish();
    return loaded;
  }

  std::vector<stored_value_ptr> stored(const digest& chunk) {
    return ask<values_read>(view()->readers[0],
                            read_values{value_keys(
                                chunk, site::resid_post,
                                view()->models.at("tiny").model->shape())})
        .value();
  }

  int damages() {
    auto text = ask<std::string>(top_, get_status{});
    return nlohmann::json::parse(text)["damages"];
  }

  /// Of the newest conversation.
  chunks_verified audit() {
    const auto shown = show(newest_).value();
    auto chunks = std::make_shared<std::vector<audited_chunk>>();
    for (const auto& chunk : shown->chunks)
      chunks->push_back({chunk.name, shown->record.shape,
                         static_cast<std::uint32_t>(chunks->size()), 0, chunk,
                         static_cast<std::uint32_t>(chunk.tokens.size())});
    return ask<verification_result>(view()->auditor, verify_chunks{chunks, 0})
        .value();
  }

  presence activations() { return show(newest_).value()->chunks[0].resid_post; }
};

using BooksTest = books_test;

TEST_F(BooksTest, ABookIsLearnedAndNamedByWhatComesAfterIt) {
  complete_turn(kept_as(quality::balanced));
  const auto before = first_chunk().name;
  EXPECT_EQ(stored(before)[0]->book, 0u);
  learn();
  EXPECT_EQ(statistics().tables[8].records, 1u);
  complete_turn(kept_as(quality::balanced, 100));
  EXPECT_EQ(stored(first_chunk().name)[0]->book, book()->id());
  EXPECT_EQ(stored(before)[0]->book, 0u) << "old values stay as they are";
  complete_turn(kept_as(quality::lossless, 101));
  EXPECT_EQ(stored(first_chunk().name)[0]->book, 0u)
      << "exact ones depend on nothing";
  const auto loaded = load(first_chunk(), view());
  EXPECT_EQ(loaded.value().relative_error, 0);
}

TEST_F(BooksTest, LosslessCapturesTeachNothing) {
  for (int i = 0; i < 20; ++i)
    complete_turn(kept_as(quality::lossless, i));
  EXPECT_EQ(book(), nullptr);
}

TEST_F(BooksTest, AChunkCountsOnce) {
  complete_turn(kept_as(quality::lossless));
  const auto shape = view()->models.at("tiny").model->shape();
  const auto chunk = std::make_shared<const raw_chunk>(shape, 16);
  for (int i = 0; i < 100; ++i)
    caf::anon_send(view()->book_learner,
                   learn_rows{root(), digest{}, {chunk, 0, chunk_positions}});
  finish();
  EXPECT_EQ(book(), nullptr);
}

TEST_F(BooksTest, ItOutlivesARestartAndTheConversationsItCameFrom) {
  complete_turn(kept_as(quality::balanced));
  const auto first = newest_;
  learn();
  complete_turn(kept_as(quality::balanced, 100));
  const auto kept = newest_;
  const auto all =
      ask<list_result>(view()->catalog, list_conversations{uid, "", 0}).value();
  for (const auto& record : all)
    if (record.id != kept) {
      const auto removed = ask<acknowledgement>(
          view()->catalog, remove_conversation{uid, record.id});
      EXPECT_TRUE(removed) << to_string(removed.error()) << ", positions "
                           << record.positions;
    }
  EXPECT_NE(first, kept);
  const auto id = book()->id();
  finish();
  stop();
  start();
  finish();
  ASSERT_NE(book(), nullptr);
  EXPECT_EQ(book()->id(), id);
  EXPECT_TRUE(show(kept));
  const auto loaded = load(first_chunk(), view());
  ASSERT_TRUE(loaded) << to_string(loaded.error());
  EXPECT_EQ(loaded.value().source, answer_source::disk);
  EXPECT_GT(loaded.value().relative_error, 0);
  EXPECT_LE(loaded.value().relative_error, bounds_of(quality::balanced).row);
  EXPECT_EQ(damages(), 0);
}

TEST_F(BooksTest, ARequestOlderThanTheBookFindsIt) {
  const auto old = view();
  learn();
  complete_turn(kept_as(quality::balanced, 100));
  ASSERT_EQ(old->books->find(book()->id()), nullptr);
  const auto loaded = load(first_chunk(), old);
  ASSERT_TRUE(loaded) << to_string(loaded.error());
  EXPECT_NE(loaded.value().source, answer_source::recomputed);
  EXPECT_EQ(damages(), 0);
}

TEST_F(BooksTest, WithoutItsBookAValueIsCorruptAndToldWhy) {
  learn();
  complete_turn(kept_as(quality::balanced, 100));
  const auto id = book()->id();
  stop();
  {
    lmdb_access inside(directory_);
    inside.remove("books", inside.keys("books")->at(0));
  }
  options_.restorer.enabled = false;
  start();
  finish();
  EXPECT_EQ(book(), nullptr);
  EXPECT_TRUE(show(newest_));
  const auto audited = audit();
  ASSERT_FALSE(audited.findings.empty());
  EXPECT_EQ(audited.findings[0].kind, defect::unreadable);
  EXPECT_NE(audited.findings[0].what.find("code book " + std::to_string(id)),
            std::string::npos)
      << audited.findings[0].what;
  auto wanted = first_chunk();
  const auto again = load(wanted, view());
  ASSERT_TRUE(again) << to_string(again.error());
  EXPECT_EQ(again.value().source, answer_source::recomputed);
  EXPECT_EQ(damages(), 1);
  EXPECT_EQ(activations(), presence::corrupt);
  wanted.model = "gone";
  const auto lost = load(wanted, view());
  ASSERT_TRUE(lost.has_error());
  EXPECT_NE(lost.error().context.find("code book " + std::to_string(id)),
            std::string::npos)
      << lost.error().context;
}

TEST_F(BooksTest, TheAuditorReadsItFromTheStore) {
  learn();
  complete_turn(kept_as(quality::balanced, 100));
  ASSERT_EQ(stored(first_chunk().name)[0]->book, book()->id());
  const auto audited = audit();
  EXPECT_TRUE(audited.findings.empty());
  EXPECT_GT(audited.found.at(quality::balanced).values, 0u);
}

TEST_F(BooksTest, ASearchReadsItFromTheStore) {
  learn();
  complete_turn(kept_as(quality::balanced, 100));
  const auto chunk = first_chunk();
  auto query = std::make_shared<search_query>();
  query->ranking =
      scorer::make(std::vector<float>(chunk.shape.width, 1), similarity::dot)
          .value();
  query->top = 4;
  auto chunks = std::make_shared<std::vector<chunk_rows>>();
  chunks->push_back({chunk.name, chunk.shape, 0, 0xffff, 0});
  const auto scored =
      ask<scoring_result>(view()->search, score_chunks{query, chunks, 0});
  EXPECT_EQ(scored.value().scored, 16u);
  EXPECT_TRUE(scored.value().damages.empty());
  EXPECT_EQ(scored.value().hits.size(), 4u);
}

}  // namespace
}  // namespace lamina

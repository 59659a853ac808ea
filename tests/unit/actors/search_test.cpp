// Search from the session's side: what a client asks, and what comes back,
// against sums over what GetActivations gives.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "actors/messages/disk.hpp"
#include "actors/messages/search.hpp"
#include "actors/messages/session.hpp"
#include "actors/messages/shard.hpp"
#include "protocol/id_text.hpp"
#include "tests/unit/actors/fixture.hpp"
#include "tests/unit/actors/frames.hpp"

namespace lamina {
namespace {

/// A connection without a socket: everything is written at once.
class desk final : public outbox, public std::enable_shared_from_this<desk> {
 public:
  struct answer {
    std::vector<wire::BodyUnion> bodies;  // the last one is the terminal
    std::vector<std::byte> payload;       // of all frames
    bool ended = false;
  };

  void send(outgoing_frame_ptr frame) override {
    const auto whole = joined(*frame);
    const auto view = decode_frame(whole).value();
    auto& a = answers[view.header.request];
    a.bodies.push_back(decode_response(view.control).value());
    a.payload.insert(a.payload.end(), view.payload.begin(), view.payload.end());
    a.ended = a.ended || view.header.kind == frame_kind::terminal;
    caf::anon_send(session, frames_written{++written_});
  }
  void take_next() override {}
  void close() override {}

  session_actor session;
  std::uint32_t newest = 0;
  std::map<std::uint32_t, answer> answers;

 private:
  std::uint64_t written_ = 0;
};

struct hit {
  std::string conversation;
  position_t position = 0;
  float score = 0;
};

class search_test : public actor_test {
 protected:
  static constexpr std::uint32_t layer = 1;

  ~search_test() override { hang_up(); }

  void hang_up() {
    for (const auto& d : std::exchange(desks_, {}))
      caf::anon_send(d->session, connection_closed{});
    if (sys_) run();
  }

  std::shared_ptr<desk> connect(std::uint32_t who = uid) {
    auto d = std::make_shared<desk>();
    d->session = spawn_session(*sys_, who, d);
    desks_.push_back(d);
    caf::anon_send(top_, follow_views{d->session});
    begin(*d, wire::HelloT{});
    run();
    return d;
  }

  template <class Request>
  std::uint32_t begin(desk& d, Request request,
                      const std::vector<float>& vector = {}) {
    frame_received frame{++d.newest, std::make_shared<const wire::BodyUnion>(
                                         make_body(std::move(request)))};
    const auto bytes = std::as_bytes(std::span(vector));
    if (!vector.empty())
      frame.payload =
          std::make_shared<const byte_buffer>(bytes.begin(), bytes.end());
    caf::anon_send(d.session, frame);
    return d.newest;
  }

  template <class Request>
  desk::answer& ask_frames(desk& d, Request request,
                           const std::vector<float>& vector = {}) {
    const auto id = begin(d, std::move(request), vector);
    for (int i = 0; i < 100'000 && !d.answers[id].ended; ++i)
      if (!scheduler().try_run_once()) advance(std::chrono::milliseconds(1));
    EXPECT_TRUE(d.answers[id].ended);
    return d.answers[id];
  }

  wire::SearchResultT search(desk& d, wire::SearchT request,
                             const std::vector<float>& vector = {}) {
    const auto& a = ask_frames(d, std::move(request), vector);
    const auto* found = a.bodies.back().AsSearchResult();
    EXPECT_TRUE(!found || found->last);
    if (const auto* refused = a.bodies.back().AsError())
      ADD_FAILURE() << refused->name << ": " << refused->message;
    return found ? *found : wire::SearchResultT();
  }

  std::string refusal(desk& d, wire::SearchT request,
                      const std::vector<float>& vector = {}) {
    const auto& a = ask_frames(d, std::move(request), vector);
    const auto* refused = a.bodies.back().AsError();
    return refused ? refused->name : "";
  }

  std::string write(const std::string& prompt, std::uint32_t tokens = 20,
                    bool capture = true) {
    auto options = turn(prompt, tokens);
    options->capture = capture;
    complete_turn(options);
    return conversation_text(newest_);
  }

  position_t size_of(const std::string& id) {
    return show(*parse_conversation(id)).value()->record.positions;
  }

  /// [position][width], as GetActivations gives them.
  std::vector<std::vector<float>> rows(desk& d, const std::string& id, site at,
                                       std::uint32_t of_layer) {
    wire::GetActivationsT request;
    request.conversation = id;
    request.position_end = size_of(id);
    request.sites = {static_cast<std::uint8_t>(at)};
    request.layers = {static_cast<std::uint16_t>(of_layer)};
    const auto& a = ask_frames(d, request);
    const auto& first = *a.bodies.front().AsActivations();
    const auto element = static_cast<dtype>(first.dtype);
    std::vector<std::vector<float>> all;
    const auto row_bytes = first.width * size_of(element);
    for (std::size_t i = 0; i < a.payload.size(); i += row_bytes) {
      all.emplace_back(first.width);
      widen_row(std::span(a.payload).subspan(i, row_bytes), element,
                all.back());
    }
    return all;
  }
  static std::size_t size_of(dtype element) { return lamina::size_of(element); }

  static double score_of(const std::vector<float>& a,
                         const std::vector<float>& b, bool cosine) {
    double dot = 0, of_a = 0, of_b = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      dot += double{a[i]} * b[i];
      of_a += double{a[i]} * a[i];
      of_b += double{b[i]} * b[i];
    }
    return cosine ? dot / std::sqrt(of_a * of_b) : dot;
  }

  /// Every position but the query's, best first.
  std::vector<hit> brute_force(desk& d, const std::vector<std::string>& ids,
                               const std::vector<float>& query, site at,
                               bool cosine) {
    std::vector<hit> all;
    for (const auto& id : ids) {
      const auto of = rows(d, id, at, layer);
      for (position_t p = 0; p < of.size(); ++p)
        all.push_back(
            {id, p, static_cast<float>(score_of(query, of[p], cosine))});
    }
    std::sort(all.begin(), all.end(),
              [](const hit& a, const hit& b) { return a.score > b.score; });
    return all;
  }

  static wire::SearchT like(const std::string& id, position_t position,
                            std::uint32_t top = 1'000) {
    wire::SearchT request;
    request.conversation = id;
    request.position = position;
    request.layer = layer;
    request.top = top;
    return request;
  }
  static wire::SearchT by_vector(std::uint32_t top = 1'000) {
    wire::SearchT request;
    request.query = 2;
    request.layer = layer;
    request.top = top;
    return request;
  }
  static wire::SearchT by_text(const std::string& text) {
    wire::SearchT request;
    request.query = 3;
    request.text.assign(text.begin(), text.end());
    return request;
  }

  static void expect_equal(const wire::SearchResultT& found,
                           const std::vector<hit>& expected) {
    ASSERT_EQ(found.hits.size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const auto& h = *found.hits[i];
      const auto close = 1e-5 * std::max(1.0f, std::abs(expected[i].score));
      EXPECT_NEAR(h.score, expected[i].score, close) << i;
      // Where neighbours are as good as equal, either order will do.
      const auto same = [&](const hit& e) {
        return e.conversation == h.conversation &&
               e.position == h.token->position &&
               std::abs(e.score - h.score) <= close;
      };
      EXPECT_TRUE(std::any_of(expected.begin(), expected.end(), same)) << i;
    }
  }

  search_status status() {
    return ask<search_status>(view()->search, get_search_status{});
  }

  std::vector<std::shared_ptr<desk>> desks_;
};

using SearchTest = search_test;

TEST_F(SearchTest, EqualsBruteForceOverEveryStoredPosition) {
  start();
  const std::vector<std::string> ids{write("hello there"), write("ahoy, sea"),
                                     write("a longer text, of two chunks")};
  auto d = connect();
  for (const auto at : {site::resid_post, site::embed, site::final_norm})
    for (const bool cosine : {true, false}) {
      const auto query = rows(*d, ids[1], at, layer)[7];
      auto request = like(ids[1], 7);
      request.site = static_cast<std::uint8_t>(at);
      request.metric = cosine ? 1 : 2;
      request.include_query = true;
      const auto expected = brute_force(*d, ids, query, at, cosine);
      const auto found = search(*d, request);
      expect_equal(found, expected);
      EXPECT_EQ(found.positions_scored, expected.size());
      EXPECT_EQ(found.positions_missing, 0u);
      EXPECT_EQ(found.conversations, 3u);
      EXPECT_EQ(found.chunks_scanned, found.chunks_total);
      EXPECT_TRUE(found.exact);
    }
}

TEST_F(SearchTest, TheQueryIsNotItsOwnHitUnlessAskedFor) {
  start();
  const auto id = write("hello there");
  auto d = connect();
  auto request = like(id, 5);
  EXPECT_EQ(search(*d, request).hits.size(), size_of(id) - 1);
  request.include_query = true;
  const auto found = search(*d, request);
  EXPECT_EQ(found.hits.size(), size_of(id));
  EXPECT_EQ(found.hits.front()->token->position, 5u);
  EXPECT_FLOAT_EQ(found.hits.front()->score, 1);
}

TEST_F(SearchTest, AVectorOfTheClientIsAQuery) {
  start();
  const std::vector<std::string> ids{write("hello there"), write("ahoy, sea")};
  auto d = connect();
  auto query = rows(*d, ids[0], site::resid_post, layer)[3];
  query[0] += 0.25f;
  auto expected = brute_force(*d, ids, query, site::resid_post, true);
  expect_equal(search(*d, by_vector(), query), expected);
  expected.resize(4);
  expect_equal(search(*d, by_vector(4), query), expected);
}

TEST_F(SearchTest, AHitShowsItsTokenInContext) {
  start();
  const auto id = write("hello there");
  auto d = connect();
  auto request = like(id, 5);
  request.context_size = 3;
  const auto shown = show(*parse_conversation(id)).value();
  std::vector<token_record> tokens;
  for (const auto& chunk : shown->chunks)
    tokens.insert(tokens.end(), chunk.tokens.begin(), chunk.tokens.end());
  const auto text = [&](std::size_t begin, std::size_t end) {
    std::string bytes;
    for (auto p = begin; p < std::min(end, tokens.size()); ++p)
      bytes += tokens[p].bytes;
    return std::vector<std::uint8_t>(bytes.begin(), bytes.end());
  };
  const auto found = search(*d, request);
  for (const auto& h : found.hits) {
    const auto p = h->token->position;
    EXPECT_EQ(h->token->id, tokens[p].id);
    EXPECT_EQ(h->before, text(p - std::min(p, 3u), p));
    EXPECT_EQ(h->text, text(p, p + 1));
    EXPECT_EQ(h->after, text(p + 1, p + 4));
    EXPECT_EQ(h->shared_by, 1u);
  }
}

TEST_F(SearchTest, AnotherOwnersConversationsAreInvisible) {
  start();
  const auto id = write("hello there");
  auto mine = connect();
  const auto query = rows(*mine, id, site::resid_post, layer)[3];
  auto other = connect(uid + 1);
  EXPECT_EQ(refusal(*other, like(id, 3)), "not_found");
  const auto all = search(*other, by_vector(), query);
  EXPECT_TRUE(all.hits.empty());
  EXPECT_EQ(all.conversations, 0u);
  EXPECT_EQ(all.conversations_passed_over, 0u);
  auto named = by_vector();
  named.conversations = {id};
  EXPECT_EQ(refusal(*other, named, query), "not_found");
  EXPECT_TRUE(search(*other, by_text("h")).hits.empty());
  EXPECT_FALSE(search(*mine, by_text("h")).hits.empty());
}

TEST_F(SearchTest, OnlyTheNamedConversationsAreSearched) {
  start();
  const std::vector<std::string> ids{write("hello there"), write("ahoy, sea")};
  auto d = connect();
  auto request = like(ids[0], 3);
  request.conversations = {ids[1]};
  const auto found = search(*d, request);
  EXPECT_EQ(found.conversations, 1u);
  EXPECT_EQ(found.hits.size(), size_of(ids[1]));
  for (const auto& h : found.hits)
    EXPECT_EQ(h->conversation, ids[1]);
  request.conversations = {ids[1], "0000000000000"};
  EXPECT_EQ(refusal(*d, request), "not_found");
}

TEST_F(SearchTest, PositionsWithoutStoredActivationsAreCounted) {
  start();
  const auto kept = write("hello there");
  const auto bare = write("ahoy, sea", 20, false);
  auto d = connect();
  const auto found = search(*d, like(kept, 3));
  EXPECT_EQ(found.positions_missing, size_of(bare));
  EXPECT_EQ(found.positions_scored, size_of(kept) - 1);
}

TEST_F(SearchTest, ARunningTurnOfWhichNothingIsOnDiskIsMissing) {
  start();
  const auto opened = open(turn("hello there", 30)).value();
  run();
  auto d = connect();
  const auto positions = show(opened.conversation).value()->record.positions;
  ASSERT_GT(positions, 0u);
  const auto found =
      search(*d, by_vector(), std::vector<float>(64, 1));  // the model's width
  EXPECT_EQ(found.positions_scored, 0u);
  EXPECT_EQ(found.positions_missing, positions);
  EXPECT_EQ(found.chunks_scanned, found.chunks_total);
  finish();
}

TEST_F(SearchTest, SharedChunksAreScoredOnceAndCounted) {
  start();
  const auto id = write("a longer text that fills two chunks", 30);
  auto d = connect();
  wire::ForkConversationT fork;
  fork.conversation = id;
  fork.position = 40;
  const auto forked = ask_frames(*d, fork).bodies.back().AsConversation()->id;
  const auto found = search(*d, like(id, 3));
  EXPECT_EQ(found.conversations, 2u);
  EXPECT_EQ(found.positions_scored, size_of(id) - 1);
  EXPECT_EQ(found.hits.size(), size_of(id) - 1);
  for (const auto& h : found.hits)
    EXPECT_EQ(h->shared_by, h->token->position < 40 ? 2u : 1u);
  const auto places = search(*d, by_text("longer"));
  EXPECT_EQ(places.found, 1u);
  EXPECT_EQ(places.hits.front()->shared_by, 2u);
}

TEST_F(SearchTest, ATextIsFoundAcrossTokens) {
  start();
  write("ahoy, sea");
  const auto id = write("hello there");
  auto d = connect();
  const auto found = search(*d, by_text("hello there"));
  ASSERT_EQ(found.hits.size(), 1u);
  EXPECT_EQ(found.found, 1u);
  const auto& h = *found.hits.front();
  EXPECT_EQ(h.conversation, id);
  EXPECT_GT(h.tokens, 1u);
  const std::string text(h.text.begin(), h.text.end());
  EXPECT_NE(text.find("hello there"), std::string::npos);
  EXPECT_EQ(found.positions_scored, 0u);
}

TEST_F(SearchTest, MorePlacesThanHitsAreStillCounted) {
  start();
  write("aaaaaaaa");
  auto d = connect();
  auto request = by_text("a");
  request.text_match = 2;
  const auto all = search(*d, request);
  ASSERT_GT(all.hits.size(), 1u);
  request.top = 1;
  const auto one = search(*d, request);
  EXPECT_EQ(one.hits.size(), 1u);
  EXPECT_EQ(one.found, all.found);
  EXPECT_EQ(one.hits.front()->token->position,
            all.hits.front()->token->position);
}

TEST_F(SearchTest, RestrictionsNarrowTheRanking) {
  start();
  const auto id = write("hello there, hello sea");
  auto d = connect();
  auto request = like(id, 3);
  request.role = static_cast<std::uint8_t>(role::assistant);
  for (const auto& h : search(*d, request).hits)
    EXPECT_EQ(h->token->role, request.role);
  request.role = 0;
  request.position_begin = 6;
  request.position_end = 20;
  EXPECT_EQ(search(*d, request).hits.size(), 14u);
  request = like(id, 1);
  constexpr std::string_view text = "hello";
  request.text.assign(text.begin(), text.end());
  const auto touched = search(*d, request);
  std::uint32_t tokens = 0;
  for (const auto& h : search(*d, by_text("hello")).hits)
    tokens += h->tokens;
  EXPECT_GT(tokens, 0u);
  EXPECT_EQ(touched.hits.size(),
            tokens - (std::any_of(
                          touched.hits.begin(), touched.hits.end(),
                          [](const auto& h) { return h->token->position == 1; })
                          ? 0u
                          : 1u));
}

TEST_F(SearchTest, ConversationsOfAnotherWidthOrModelArePassedOver) {
  start();
  write("hello there");
  write("ahoy, sea");
  auto d = connect();
  const auto narrow = search(*d, by_vector(), {1, 2, 3});
  EXPECT_TRUE(narrow.hits.empty());
  EXPECT_EQ(narrow.conversations_passed_over, 2u);
  auto other = by_text("e");
  other.model = "another";
  EXPECT_EQ(search(*d, other).conversations_passed_over, 2u);
}

TEST_F(SearchTest, TheBestSoFarIsStreamed) {
  options_.search.slice_chunks = 1;
  start();
  const auto id = write("hello there, this makes several chunks", 40);
  auto d = connect();
  const auto& a = ask_frames(*d, like(id, 3));
  ASSERT_GE(a.bodies.size(), 2u);
  const auto& first = *a.bodies.front().AsSearchResult();
  const auto& last = *a.bodies.back().AsSearchResult();
  EXPECT_FALSE(first.last);
  EXPECT_FALSE(first.hits.empty());
  EXPECT_LT(first.chunks_scanned, first.chunks_total);
  EXPECT_LT(first.positions_scored, last.positions_scored);
  EXPECT_EQ(last.chunks_scanned, last.chunks_total);
}

TEST_F(SearchTest, ACancelledSearchStops) {
  options_.search.slice_chunks = 1;
  start();
  std::uint64_t positions = 0;
  std::string id;
  for (const auto* prompt : {"hello there", "ahoy, sea", "goodbye"}) {
    id = write(prompt, 80);
    positions += size_of(id);
  }
  auto d = connect();
  const auto request = begin(*d, like(id, 3));
  while (d->answers[request].bodies.empty())
    ASSERT_TRUE(scheduler().try_run_once());
  wire::CancelT cancel;
  cancel.request = request;
  begin(*d, cancel);
  run();
  const auto& a = d->answers[request];
  ASSERT_TRUE(a.ended);
  const auto* refused = a.bodies.back().AsError();
  ASSERT_NE(refused, nullptr);
  EXPECT_EQ(refused->name, "cancelled");
  EXPECT_GT(status().positions_scored, 0u);
  EXPECT_LT(status().positions_scored, positions / 2);
  EXPECT_EQ(status().running, 0u);
}

TEST_F(SearchTest, WhatIsReadDoesNotEnterTheMemoryTier) {
  start();
  const auto id = write("hello there");
  auto d = connect();
  const auto query = rows(*d, id, site::resid_post, layer)[3];
  hang_up();
  stop();
  start();
  d = connect();
  EXPECT_EQ(search(*d, by_vector(), query).hits.size(), size_of(id));
  for (const auto& shard : view()->shards)
    EXPECT_EQ(ask<shard_status>(shard, get_shard_status{}).entries, 0u);
}

TEST_F(SearchTest, ADamagedValueIsMissingAndToldToTheLedger) {
  start();
  const auto id = write("a longer text, of more than one chunk");
  const auto conversation = newest_;
  auto d = connect();
  const auto query = rows(*d, id, site::resid_post, layer)[3];
  const auto shown = show(conversation).value();
  const value_key key{shown->chunks[1].name, site::resid_post, 0};
  auto values =
      ask<values_read>(view()->readers[0], read_values{{key}}).value();
  auto spoilt = std::make_shared<stored_value>(*values.at(0));
  spoilt->bytes.back() ^= std::byte{1};
  auto ops = std::make_shared<std::vector<write_op>>();
  ops->push_back(put_values{key.chunk, {spoilt}});
  ASSERT_TRUE(ask<result<ops_written>>(view()->disk, write_ops{ops}));
  const auto found = search(*d, by_vector(), query);
  EXPECT_EQ(found.positions_missing, chunk_positions);
  EXPECT_EQ(found.hits.size(), size_of(id) - chunk_positions);
  finish();
  EXPECT_EQ(show(conversation).value()->chunks[1].resid_post,
            presence::corrupt);
}

TEST_F(SearchTest, StatusTellsWhatWasSearched) {
  start();
  const auto id = write("hello there");
  auto d = connect();
  search(*d, like(id, 3));
  const auto document =
      nlohmann::json::parse(ask<std::string>(top_, get_status{}));
  EXPECT_EQ(document["search"]["searches"], 1);
  EXPECT_EQ(document["search"]["running"], 0);
  EXPECT_EQ(document["search"]["positions_scored"], size_of(id) - 1);
  EXPECT_EQ(document["actors"]["search"]["health"], "up");
}

TEST_F(SearchTest, RequestsThatMakeNoSenseAreRefused) {
  start();
  const auto id = write("hello there");
  auto d = connect();
  const auto bad = [&](auto change, const std::vector<float>& vector = {}) {
    auto request = like(id, 3);
    change(request);
    return refusal(*d, request, vector);
  };
  const std::string refused = "invalid_argument";
  EXPECT_EQ(bad([](auto& r) { r.query = 0; }), refused);
  EXPECT_EQ(bad([](auto& r) { r.query = 2; }), refused);
  EXPECT_EQ(bad([](auto&) {}, {1, 2}), refused);
  EXPECT_EQ(bad([](auto& r) { r.query = 3; }), refused);
  EXPECT_EQ(bad([](auto& r) { r.metric = 3; }), refused);
  EXPECT_EQ(bad([](auto& r) { r.site = 9; }), refused);
  EXPECT_EQ(bad([](auto& r) { r.top = 0; }), refused);
  EXPECT_EQ(bad([](auto& r) { r.top = 1'001; }), refused);
  EXPECT_EQ(bad([](auto& r) { r.context_size = 65; }), refused);
  EXPECT_EQ(bad([](auto& r) { r.role = 4; }), refused);
  EXPECT_EQ(bad([](auto& r) { r.text_match = 4; }), refused);
  EXPECT_EQ(bad([](auto& r) { r.position_begin = r.position_end = 5; }),
            refused);
  EXPECT_EQ(bad([](auto& r) { r.conversations = {"nonsense"}; }), refused);
  EXPECT_EQ(bad([](auto& r) { r.layer = 99; }), "out_of_range");
  EXPECT_EQ(bad([](auto& r) { r.position = 9'999; }), "out_of_range");
}

}  // namespace
}  // namespace lamina

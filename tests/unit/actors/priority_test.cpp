// A click does not wait behind bulk reads, however many there are.
#include <algorithm>

#include "actors/messages/codec.hpp"
#include "actors/request.hpp"
#include "tests/unit/actors/fixture.hpp"
#include "tests/unit/actors/peer.hpp"

namespace lamina {
namespace {

using names_decoded = std::shared_ptr<std::vector<digest>>;

/// Decodes one share a turn, as a decoder on its thread does, and notes which.
codec_actor::behavior_type noting_decoder(codec_actor::pointer,
                                          names_decoded to) {
  return {
      [](const encode_rows&) { return rows_encoded{}; },
      [to](const decode_values& m) -> values_decoded {
        to->push_back(m.values.front()->key.chunk);
        BOOST_OUTCOME_TRY(slots, decode_into(m.values, *m.books, *m.into));
        return rows_filled{slots, 0};
      },
      [](const get_codec_status&) { return codec_status{}; },
  };
}

class priority_test : public actor_test {
 protected:
  priority_test() { start(); }

  static wire::BodyUnion rows_of(conversation_id id, position_t begin,
                                 position_t end) {
    wire::GetActivationsT ask;
    ask.conversation = conversation_text(id);
    ask.position_begin = begin;
    ask.position_end = end;
    return make_body(std::move(ask));
  }

  /// As if its thread were busy with one long message.
  void run_all_but(const codec_actor& busy) {
    const auto* job = dynamic_cast<caf::resumable*>(
        caf::actor_cast<caf::abstract_actor*>(busy));
    auto& jobs = scheduler().jobs;
    for (;;) {
      const auto next = std::find_if(jobs.begin(), jobs.end(),
                                     [&](const auto* j) { return j != job; });
      if (next == jobs.end()) return;
      std::rotate(jobs.begin(), next, next + 1);
      scheduler().try_run_once();
    }
  }

  /// A conversation long enough that reading all of it is no click.
  conversation_id long_one(char letter) {
    complete_turn(turn(std::string(70, letter), 30));
    EXPECT_GT(size_of(newest_), click_positions_max);
    return newest_;
  }
  position_t size_of(conversation_id id) {
    return show(id).value()->record.positions;
  }
  digest first_chunk(conversation_id id) {
    return show(id).value()->chunks[0].name;
  }
};

using PriorityTest = priority_test;

TEST_F(PriorityTest, AClickIsDecodedBeforeTheBulkReadsThatCameEarlier) {
  const auto bulk = long_one('x'), late = long_one('y'),
             clicked = long_one('z');
  auto decoded = std::make_shared<std::vector<digest>>();
  auto noting = std::make_shared<system_view>(*view());
  noting->decoders = {sys_->spawn(noting_decoder, decoded)};
  const auto& decoder = noting->decoders[0];
  auto p = std::make_shared<peer>();
  p->connect(*sys_, top_, uid);
  run();
  caf::anon_send(p->session(), view_changed{noting});
  run();

  // Asking for sizes runs the system, so that comes first.
  const auto all_of_bulk = rows_of(bulk, 0, size_of(bulk));
  const auto all_of_late = rows_of(late, 0, size_of(late));
  constexpr std::size_t many = 40;
  std::vector<std::uint32_t> requests;
  for (std::size_t i = 0; i < many; ++i)
    requests.push_back(p->begin(all_of_bulk));
  requests.push_back(p->begin(all_of_late));
  run_all_but(decoder);
  ASSERT_TRUE(decoded->empty());
  requests.push_back(p->begin(rows_of(clicked, 3, 4)));
  run_all_but(decoder);
  finish();

  ASSERT_GT(decoded->size(), many + 2);
  EXPECT_EQ(decoded->front(), first_chunk(clicked));
  const auto at =
      std::find(decoded->begin(), decoded->end(), first_chunk(late));
  EXPECT_GE(at - decoded->begin(), 41) << "others go in their order";
  for (const auto request : requests)
    EXPECT_NE(p->finish(request).last<wire::ActivationsT>(), nullptr);
  p->disconnect();
  caf::anon_send_exit(decoder, caf::exit_reason::user_shutdown);
  run();
}

}  // namespace
}  // namespace lamina

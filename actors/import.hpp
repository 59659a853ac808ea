// An import: writes a conversation whose activations a client computed
// elsewhere. Frames come in order, each answered when there is room for more;
// rows go the way of a turn's (conversation_writer), visible at once.
//
// It belongs to the session that began it, and nobody else may add to it. When
// that session goes before the end was said, what came is kept and the
// conversation is `interrupted`. It ends when everything is durable.
#pragma once

#include <caf/stateful_actor.hpp>
#include <caf/typed_response_promise.hpp>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "actors/conversation_writer.hpp"
#include "actors/generations/chunk_gatherer.hpp"

namespace lamina {

/// What the catalog hands to a new import.
struct import_plan {
  conversation_record record;
  import_declaration declared;
  caf::strong_actor_ptr session;
  view_ptr view;
  std::uint64_t in_flight_bytes_max = 0;
};

struct import_state : conversation_writer {
  using pointer = import_actor::stateful_pointer<import_state>;
  using progress_promise = caf::typed_response_promise<import_result>;

  explicit import_state(pointer actor) : self(actor) {}
  ~import_state() override;

  void start(import_plan plan);
  caf::result<import_result> bring(const bring_rows& m);
  caf::result<import_result> bring(const bring_lens& m);
  caf::result<import_result> end(const end_import& m);
  void break_off();

  std::optional<error> refusal(const caf::actor_addr& asker) const;
  std::optional<error> wrong_with(const bring_rows& m) const;
  std::optional<error> wrong_with(const lens_rows& records) const;
  void take(const bring_rows& m);
  void show(const chunk_gatherer::part& part, const digest& before);
  void seal(const chunk_gatherer::part& part);
  void finish(turn_state as);
  import_progress progress() const;

  void ask_codec(const codec_actor& whom, encode_rows command,
                 encoded_handler then) override;
  void ask_disk(const disk_actor& whom, write_ops command,
                written_handler then) override;
  void credit_returned(std::uint64_t bytes) override;
  void settled() override;
  caf::result<acknowledgement> amend(const amend_turn& m);

  static inline const char* name = "import";
  pointer self;
  import_declaration declared;
  caf::actor_addr session;
  std::optional<chunk_gatherer> gatherer;
  std::optional<chunk_gatherer::part> tail;  // the open chunk
  std::uint64_t in_flight_bytes = 0;  // of raw chunks that are not yet safe
  std::uint64_t in_flight_bytes_max = 0;
  std::map<std::uint32_t, std::uint32_t> lens_rows_brought;  // by chunk, bits
  bool finished = false;
  std::vector<progress_promise> waiting;  // for room
  std::vector<progress_promise> ending;   // for all to be durable
};

import_actor::behavior_type import(import_state::pointer self,
                                   std::shared_ptr<import_plan> plan);

}  // namespace lamina

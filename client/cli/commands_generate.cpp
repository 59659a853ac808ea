#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <random>

#include "client/cli/advice.hpp"
#include "client/cli/commands.hpp"
#include "client/cli/interrupt.hpp"
#include "client/cli/tables.hpp"
#include "client/cli/text.hpp"
#include "protocol/limits.hpp"
#include "protocol/site.hpp"

namespace lamina::cli {
namespace {

// Prints a turn as it comes (unless --json) and keeps it.
class turn_listener {
 public:
  // `history`: also print what was there before the running answer.
  turn_listener(session& with, bool history)
      : with_(with), history_(history), terminal_(::isatty(STDOUT_FILENO)) {}

  generation_handlers handlers() {
    return {[this](const wire::StartedT& started) { turn_.started = started; },
            [this](const wire::TokensT& tokens) { take(tokens); }};
  }

  turn_record& turn() { return turn_; }

  // A shell's prompt begins on its own line.
  void end_line() {
    if (!with_.json() && terminal_ && !at_line_start_) print("\n");
  }

 private:
  void take(const wire::TokensT& tokens) {
    for (const auto& token : tokens.tokens)
      turn_.tokens.push_back(*token);
    turn_.text += tokens.text;
    if (history_ && has_questions(tokens)) {
      for (const auto& token : tokens.tokens)
        print_token(*token);
      return;
    }
    pending_.clear();  // the text has these bytes too, once they are whole
    if (!tokens.text.empty()) print(tokens.text);
  }

  static bool is_answer(const wire::TokenT& token) {
    return token.role == static_cast<std::uint8_t>(role::assistant);
  }

  // `text` has the answers only. Where questions stand between them, order is
  // to be had only token by token; their bytes may end inside a character.
  static bool has_questions(const wire::TokensT& tokens) {
    return !std::all_of(tokens.tokens.begin(), tokens.tokens.end(),
                        [](const auto& token) { return is_answer(*token); });
  }

  void print_token(const wire::TokenT& token) {
    pending_ += text_of(token.bytes);
    const auto whole = complete_prefix(pending_);
    const std::string shown = pending_.substr(0, whole);
    pending_.erase(0, whole);
    if (!shown.empty()) print(shown, !is_answer(token));
  }

  // A terminal gets no control characters; a file gets the exact text.
  void print(const std::string& text, bool dimmed = false) {
    if (with_.json()) return;
    const std::string shown = terminal_ ? harmless(text) : text;
    // A vanished reader ends us by SIGPIPE; other failures show at the end.
    (void)write_out(dimmed ? with_.look().dim(shown) : shown);
    at_line_start_ = shown.ends_with('\n');
  }

  session& with_;
  bool history_;
  bool terminal_;
  bool at_line_start_ = true;
  std::string pending_;
  turn_record turn_;
};

result<int> finish(session& with, turn_listener& listener,
                   const result<wire::DoneT>& outcome, bool interrupted) {
  listener.end_line();
  auto& turn = listener.turn();
  if (outcome)
    turn.done = outcome.value();
  else if (interrupted && outcome.error().code == error_code::cancelled)
    turn.done.finish = "cancelled";
  else
    return outcome.error();
  if (turn.done.conversation.empty())
    turn.done.conversation = turn.started.conversation;
  if (with.json()) {
    BOOST_OUTCOME_TRYV(write_out(print(to_json(turn))));
  } else {
    write_error(render_done(turn, with.error_look()));
  }
  return interrupted ? exit_code::interrupted : exit_code::ok;
}

result<std::string> read_prompt(const std::string& prompt) {
  if (prompt != "-") return prompt;
  std::string text;
  char piece[16384];
  while (const auto size = std::fread(piece, 1, sizeof piece, stdin)) {
    text.append(piece, size);
    if (text.size() > limits::control_bytes_max)
      return fail(error_code::limit_exceeded,
                  "a prompt of more than " +
                      std::to_string(limits::control_bytes_max) + " bytes");
  }
  if (std::ferror(stdin) != 0)
    return fail(error_code::io_error, "cannot read standard input");
  return text;
}

result<std::string> choose_model(client& daemon, const std::string& id) {
  if (!id.empty()) {
    wire::ShowConversationT request;
    request.conversation = id;
    request.tokens = false;
    BOOST_OUTCOME_TRY(conversation, daemon.show(request));
    return std::move(conversation.model);
  }
  BOOST_OUTCOME_TRY(models, daemon.models());
  if (models.models.size() == 1) return models.models.front()->name;
  std::string names;
  for (const auto& model : models.models)
    names += " " + model->name;
  return fail(error_code::invalid_argument,
              "which model? Name one with --model:" + names);
}

std::uint64_t draw_seed() {
  std::random_device source;
  return (std::uint64_t{source()} << 32) | source();
}

result<wire::GenerateT> make_request(session& with, client& daemon,
                                     const generate_options& options) {
  wire::GenerateT request;
  BOOST_OUTCOME_TRY(prompt, read_prompt(options.prompt));
  request.prompt.assign(prompt.begin(), prompt.end());
  if (!options.conversation.empty()) {
    BOOST_OUTCOME_TRY(id, with.conversation(options.conversation));
    request.conversation = id;
  }
  request.model = options.model;
  if (request.model.empty()) {
    BOOST_OUTCOME_TRY(model, choose_model(daemon, request.conversation));
    request.model = model;
  }
  request.max_new_tokens = options.max_new_tokens;
  request.temperature = options.temperature;
  request.top_k = options.top_k;
  request.top_p = options.top_p;
  request.model_sampling = options.model_sampling;
  if (options.seed)
    request.seed = *options.seed;
  else if (options.temperature > 0 || options.model_sampling)
    request.seed = draw_seed();
  request.stop = options.stop;
  request.capture = !options.no_capture;
  request.quality = options.quality;
  request.backpressure = options.backpressure;
  request.lens = static_cast<std::uint8_t>(
      lens_mode_from_string(options.lens).value_or(lens_mode::deferred));
  request.wait_durable = options.wait_durable;
  request.keep_running = options.keep_running;
  return request;
}

}  // namespace

result<int> generate(session& with, const generate_options& options) {
  BOOST_OUTCOME_TRY(daemon, with.connect());
  BOOST_OUTCOME_TRY(request, make_request(with, *daemon, options));
  turn_listener listener(with, false);
  if (request.temperature > 0 || request.model_sampling)
    listener.turn().seed = request.seed;
  cancel_on_interrupt interrupt(*daemon);
  const auto outcome = daemon->generate(request, listener.handlers());
  return finish(with, listener, outcome, interrupt.happened());
}

result<int> attach(session& with, const attach_options& options) {
  BOOST_OUTCOME_TRY(daemon, with.connect());
  wire::AttachT request;
  BOOST_OUTCOME_TRY(id, with.conversation(options.conversation));
  request.conversation = id;
  request.from_position = options.from_position;
  request.wait_durable = options.wait_durable;
  turn_listener listener(with, true);
  cancel_on_interrupt interrupt(*daemon);
  const auto outcome = daemon->attach(request, listener.handlers());
  return finish(with, listener, outcome, interrupt.happened());
}

}  // namespace lamina::cli

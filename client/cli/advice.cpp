#include "client/cli/advice.hpp"

#include "client/cli/text.hpp"

namespace lamina::cli {

std::string_view advice_for(error_code code) {
  switch (code) {
    case error_code::invalid_argument:
      return "see lamina --help for what the option takes";
    case error_code::malformed_frame:
      return "check that lamina and laminad are of the same release";
    case error_code::unsupported_version:
      return "install lamina and laminad of the same release";
    case error_code::unauthenticated:
      return "connect as a user the daemon knows, or with its token";
    case error_code::forbidden:
      return "ask the owner, or whoever runs the daemon";
    case error_code::not_found:
      return "see lamina conversations list and lamina models";
    case error_code::already_exists:
      return "choose another name";
    case error_code::conversation_busy:
      return "wait for the running turn, or watch it with lamina attach";
    case error_code::out_of_range:
      return "see lamina conversations show for how many positions there are";
    case error_code::context_full:
      return "shorten the prompt, ask for fewer --max-new-tokens, or begin a "
             "new conversation";
    case error_code::limit_exceeded:
      return "ask for less at once; docs/protocol.md lists the limits";
    case error_code::overloaded:
      return "try again in a moment; lamina status shows the load";
    case error_code::unavailable:
      return "see lamina status for what is down, and try again";
    case error_code::cancelled:
      return "ask again if that was not intended";
    case error_code::interrupted:
      return "send the prompt again; what was written before is kept";
    case error_code::corrupt:
      return "see the daemon's log; recompute by asking with the model loaded";
    case error_code::unsupported:
      return "see lamina models for what this daemon runs";
    case error_code::io_error:
      return "check the path, its permissions and the daemon's log";
    case error_code::disk_full:
      return "free space on that disk and try again";
    case error_code::out_of_memory:
      return "ask for less at once, or give the daemon a larger budget";
    case error_code::internal:
      return "see the daemon's log, and report this with it";
  }
  return "install lamina and laminad of the same release";
}

int exit_code_for(const error& e, bool connected, bool dialled) {
  if (connected) return exit_code::failed;
  if (e.code == error_code::invalid_argument) return exit_code::usage;
  return dialled && e.code == error_code::unavailable ? exit_code::no_daemon
                                                      : exit_code::failed;
}

std::string sentence_for(const error& e) {
  std::string sentence = "lamina: " + harmless(to_string(e));
  sentence.append(". Try: ");
  if (e.retry_after_ms != 0)
    sentence.append("again in ")
        .append(e.retry_after_ms < 1000
                    ? std::to_string(e.retry_after_ms) + " ms"
                    : std::to_string((e.retry_after_ms + 999) / 1000) + " s")
        .append(", or ");
  sentence.append(advice_for(e.code)).append(".\n");
  return sentence;
}

std::string sentence_for_connecting(const error& e, std::string_view address) {
  std::string sentence = "lamina: " + harmless(to_string(e));
  sentence.append(". Try: start the daemon with laminad --listen ")
      .append(harmless(address))
      .append(", or name another with --endpoint.\n");
  return sentence;
}

}  // namespace lamina::cli

#include "client/cli/session.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <system_error>

#include "client/cli/advice.hpp"
#include "client/cli/conversation_choice.hpp"
#include "client/cli/token_source.hpp"

namespace lamina::cli {
namespace {

constexpr std::size_t default_columns = 100;

// https://no-color.org: any value but the empty one switches colours off.
bool wants_colour(const std::string& when, int fd) {
  if (when != "auto") return when == "always";
  const char* no_color = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  if (no_color != nullptr && *no_color != '\0') return false;
  if (terminal != nullptr && std::string_view(terminal) == "dumb") return false;
  return ::isatty(fd) == 1;
}

}  // namespace

session::session(common_options options)
    : options_(std::move(options)),
      look_(wants_colour(options_.color, STDOUT_FILENO)),
      error_look_(wants_colour(options_.color, STDERR_FILENO)) {}

std::size_t session::columns() const {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    return size.ws_col;
  return default_columns;
}

result<std::string> session::find_address() const {
  if (!options_.endpoint.empty()) return options_.endpoint;
  if (auto named = environment("LAMINA_ENDPOINT"); !named.empty()) return named;
  BOOST_OUTCOME_TRY(standard, default_endpoint());
  return to_string(standard);
}

bool session::same_machine() const {
  const auto address = parse_endpoint(address_);
  return address && address.value().kind == endpoint::transport::unix_socket;
}

result<client> session::dial() const {
  BOOST_OUTCOME_TRY(address, parse_endpoint(address_));
  connect_options options;
  options.name = "lamina 0.1";
  options.tls_ca =
      options_.tls_ca.empty() ? environment("LAMINA_TLS_CA") : options_.tls_ca;
  // A token is the daemon's business only where the kernel vouches for nobody.
  if (address.kind != endpoint::transport::unix_socket) {
    BOOST_OUTCOME_TRY(token, find_token(options_.token_file));
    options.token = token;
  }
  return client::connect(address, options);
}

result<client*> session::connect() {
  if (!client_) {
    BOOST_OUTCOME_TRY(address, find_address());
    address_ = address;
    BOOST_OUTCOME_TRY(dialled, dial());
    client_.emplace(std::move(dialled));
  }
  return &*client_;
}

result<std::string> session::conversation(std::string_view words) {
  if (is_whole_id(words)) return choose_conversation(words, {});
  BOOST_OUTCOME_TRY(daemon, connect());
  // What a prefix means depends on all there are, however many.
  wire::ListConversationsT everything;
  everything.limit = 0;
  BOOST_OUTCOME_TRY(known, daemon->conversations(everything));
  return choose_conversation(words, known);
}

int session::report(const error& e) const {
  if (options_.json) {
    // The sentence below goes to stderr even when stdout is gone.
    (void)write_out(print(to_json(e)));
  }
  const auto code = exit_code_for(e, client_.has_value(), !address_.empty());
  write_error(code == exit_code::no_daemon
                  ? sentence_for_connecting(e, address_)
                  : sentence_for(e));
  return code;
}

result<void> write_out(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() &&
      std::fflush(stdout) == 0)
    return success();
  return fail(error_code::io_error, "cannot write to standard output (" +
                                        std::generic_category().message(errno) +
                                        ")");
}

void write_error(std::string_view text) {
  // Nobody is left to tell when this fails.
  (void)std::fwrite(text.data(), 1, text.size(), stderr);
}

}  // namespace lamina::cli

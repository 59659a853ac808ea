// What every command needs: the connection, where output goes and how it
// looks. One per process, main thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "client/cli/json_forms.hpp"
#include "client/cli/style.hpp"
#include "client/cpp/client.hpp"

namespace lamina::cli {

struct common_options {
  std::string endpoint;    // empty: LAMINA_ENDPOINT, else the default
  std::string token_file;  // empty: LAMINA_TOKEN, else LAMINA_TOKEN_FILE
  std::string tls_ca;      // empty: LAMINA_TLS_CA, else the system's
  bool json = false;
  std::string color = "auto";  // "auto", "always", "never"
};

class session {
 public:
  explicit session(common_options options);

  bool json() const { return options_.json; }
  const style& look() const { return look_; }              // of stdout
  const style& error_look() const { return error_look_; }  // of stderr
  std::size_t columns() const;

  /// The connection, made at the first call.
  result<client*> connect();

  /// Another connection. Any thread, once connect() has succeeded.
  result<client> dial() const;
  /// Whether the daemon is certainly on this machine.
  bool same_machine() const;

  /// The id that the words mean; asks the daemon for its list when needed.
  result<std::string> conversation(std::string_view words);

  /// Reports an error on stderr, and as a document on stdout with --json.
  /// Returns the exit code.
  int report(const error& e) const;

 private:
  result<std::string> find_address() const;

  common_options options_;
  style look_;
  style error_look_;
  std::string address_;  // what was dialled, for the message
  std::optional<client> client_;
};

/// Writes all of it to stdout and flushes; io_error when that fails.
result<void> write_out(std::string_view text);
void write_error(std::string_view text);

}  // namespace lamina::cli

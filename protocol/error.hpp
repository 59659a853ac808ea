// Error codes and `result<T>`: how every part of Lamina reports an expected
// failure.
//
// An expected failure is a value. The same code travels on the wire, into the
// log and into the documentation (docs/protocol.md lists each one), so the
// numbers are frozen: new codes are appended, none is reused. A bug is not an
// error but an assertion.
#pragma once

#include <boost/outcome/basic_result.hpp>
#include <boost/outcome/policy/terminate.hpp>
#include <boost/outcome/try.hpp>
#include <cstdint>
#include <string>
#include <string_view>

namespace lamina {

enum class error_code : std::uint16_t {
  invalid_argument = 1,     // a field's value makes no sense; says which
  malformed_frame = 2,      // bytes that are not a frame or not a message
  unsupported_version = 3,  // no protocol or format version in common
  unauthenticated = 4,      // no hello, or one with wrong credentials
  forbidden = 5,            // known peer, not allowed
  not_found = 6,            // no such conversation, model, position's data
  already_exists = 7,       // an id that was used before
  conversation_busy = 8,    // another turn is being written
  out_of_range = 9,         // position or layer beyond what exists
  context_full = 10,        // prompt and answer do not fit the model
  limit_exceeded = 11,      // a documented limit of the daemon
  overloaded = 12,          // try again later
  unavailable = 13,         // the part that would answer is down; says why
  cancelled = 14,           // by the client or by shutdown
  interrupted = 15,         // a turn that a crash or restart cut off
  corrupt = 16,             // stored bytes fail their checks
  unsupported = 17,         // a model or option that Lamina does not run
  io_error = 18,            // the operating system refused
  disk_full = 19,
  out_of_memory = 20,
  internal = 21,  // a bug surfaced as an exception; please report
};

/// A code and one clear sentence: what went wrong, and where.
struct error {
  error_code code;
  std::string context;
  std::uint32_t retry_after_ms = 0;  // with overloaded; 0: not said

  friend bool operator==(const error&, const error&) = default;
};

/// "not_found"; "unknown" for a number this build does not know.
std::string_view to_string(error_code code);

/// "not_found: no conversation 1kq..."
std::string to_string(const error& e);

/// A `T` or an `error`. Reading the value of a failed result terminates: it
/// is a bug to read without having asked.
template <class T>
using result = BOOST_OUTCOME_V2_NAMESPACE::basic_result<
    T, error, BOOST_OUTCOME_V2_NAMESPACE::policy::terminate>;

inline auto success() {
  return BOOST_OUTCOME_V2_NAMESPACE::success();
}

/// `return fail(error_code::not_found, "no conversation " + id);`
inline auto fail(error_code code, std::string context) {
  return BOOST_OUTCOME_V2_NAMESPACE::failure(error{code, std::move(context)});
}

/// Passes an error on with the place it passed through in front.
inline error within(std::string_view where, error e) {
  e.context = std::string(where) + ": " + e.context;
  return e;
}

}  // namespace lamina

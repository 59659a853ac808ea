#include "protocol/error.hpp"

namespace lamina {

std::string_view to_string(error_code code) {
  switch (code) {
    case error_code::invalid_argument:
      return "invalid_argument";
    case error_code::malformed_frame:
      return "malformed_frame";
    case error_code::unsupported_version:
      return "unsupported_version";
    case error_code::unauthenticated:
      return "unauthenticated";
    case error_code::forbidden:
      return "forbidden";
    case error_code::not_found:
      return "not_found";
    case error_code::already_exists:
      return "already_exists";
    case error_code::conversation_busy:
      return "conversation_busy";
    case error_code::out_of_range:
      return "out_of_range";
    case error_code::context_full:
      return "context_full";
    case error_code::limit_exceeded:
      return "limit_exceeded";
    case error_code::overloaded:
      return "overloaded";
    case error_code::unavailable:
      return "unavailable";
    case error_code::cancelled:
      return "cancelled";
    case error_code::interrupted:
      return "interrupted";
    case error_code::corrupt:
      return "corrupt";
    case error_code::unsupported:
      return "unsupported";
    case error_code::io_error:
      return "io_error";
    case error_code::disk_full:
      return "disk_full";
    case error_code::out_of_memory:
      return "out_of_memory";
    case error_code::internal:
      return "internal";
  }
  return "unknown";
}

std::string to_string(const error& e) {
  return std::string(to_string(e.code)) + ": " + e.context;
}

}  // namespace lamina

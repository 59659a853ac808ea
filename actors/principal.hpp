// Who asks: a Unix user, known by the uid that the kernel vouches for, or the
// bearer of a token, known by its name. Made by the listener, carried by every
// question about conversations. Copies are cheap.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "actors/store/records.hpp"
#include "protocol/error.hpp"
#include "protocol/lamina_generated.h"

namespace lamina {

/// What a peer may ask for. None contains another.
enum class scope : std::uint8_t {
  read = 1,      // what is stored, and how the daemon fares
  generate = 2,  // whatever writes: turns, imports, forks, deletions
  admin = 4,     // what is the business of whoever runs the daemon
};
std::string_view to_string(scope s);

class scope_set {
 public:
  constexpr scope_set() = default;
  constexpr scope_set& add(scope s) {
    bits_ = static_cast<std::uint8_t>(bits_ | static_cast<std::uint8_t>(s));
    return *this;
  }
  constexpr bool has(scope s) const {
    return (bits_ & static_cast<std::uint8_t>(s)) != 0;
  }
  constexpr bool empty() const { return bits_ == 0; }
  friend bool operator==(const scope_set&, const scope_set&) = default;

 private:
  std::uint8_t bits_ = 0;
};

struct principal {
  principal() = default;

  /// A Unix user: may read and generate; root and the daemon's own user are
  /// admins. Implicit: a uid is who somebody is.
  principal(std::uint32_t user);

  /// "uid 1000" or "token alice", for sentences.
  std::string name() const;

  bool in_group(std::string_view group) const;

  std::uint32_t uid = nobody_uid;  // of a Unix user
  std::string token;               // name of the bearer's token; else empty
  scope_set scopes;
  std::shared_ptr<const std::vector<std::string>> groups;  // null: none
};

/// The scope that a request needs.
scope scope_of(wire::Body request);

/// forbidden, with the scope that is missing.
result<void> check_scope(const principal& who, wire::Body request);

/// Makes it theirs, and private.
void give_to(const principal& who, conversation_record& record);

bool owns(const principal& who, const conversation_record& record);

/// Its owner, and the group that it is shared with.
bool may_read(const principal& who, const conversation_record& record);

/// Its owner, for questions in their name.
principal owner_of(const conversation_record& record);

}  // namespace lamina

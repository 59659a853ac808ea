#include "actors/principal.hpp"

#include <unistd.h>

#include <algorithm>

namespace lamina {

std::string_view to_string(scope s) {
  switch (s) {
    case scope::read:
      return "read";
    case scope::generate:
      return "generate";
    case scope::admin:
      return "admin";
  }
  return "unknown";
}

principal::principal(std::uint32_t user) : uid(user) {
  scopes.add(scope::read).add(scope::generate);
  if (user == 0 || user == ::geteuid()) scopes.add(scope::admin);
}

std::string principal::name() const {
  return token.empty() ? "uid " + std::to_string(uid) : "token " + token;
}

bool principal::in_group(std::string_view group) const {
  return groups && std::ranges::find(*groups, group) != groups->end();
}

scope scope_of(wire::Body request) {
  switch (request) {
    case wire::Body::Generate:
    case wire::Body::ForkConversation:
    case wire::Body::DeleteConversation:
    case wire::Body::PinConversation:
    case wire::Body::ShareConversation:
    case wire::Body::PutConversation:
    case wire::Body::PutActivations:
    case wire::Body::PutLens:
    case wire::Body::FinishConversation:
      return scope::generate;
    case wire::Body::GetConfiguration:
    case wire::Body::LoadModel:
    case wire::Body::UnloadModel:
      return scope::admin;
    default:
      return scope::read;
  }
}

result<void> check_scope(const principal& who, wire::Body request) {
  const auto needed = scope_of(request);
  if (who.scopes.has(needed)) return success();
  return fail(error_code::forbidden,
              who.name() + " lacks the scope '" +
                  std::string(to_string(needed)) + "', which " +
                  wire::EnumNameBody(request) + " needs");
}

void give_to(const principal& who, conversation_record& record) {
  record.owner_uid = who.uid;
  record.owner_token = who.token;
  record.group.clear();
}

bool owns(const principal& who, const conversation_record& record) {
  return who.uid == record.owner_uid && who.token == record.owner_token;
}

bool may_read(const principal& who, const conversation_record& record) {
  return owns(who, record) ||
         (!record.group.empty() && who.in_group(record.group));
}

principal owner_of(const conversation_record& record) {
  principal owner(record.owner_uid);
  owner.token = record.owner_token;
  return owner;
}

}  // namespace lamina

// Messages of the supervisor.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "actors/interfaces.hpp"
#include "actors/messages/message.hpp"
#include "actors/tunables.hpp"

namespace lamina {

/// Asks for the handles as they are now.
struct get_view {};

/// A new connection's session wants views as they change.
struct follow_views {
  session_actor session;
};

/// A reload: what may change while the daemon runs, and the whole of it as
/// describe() says it.
struct reconfigure {
  tunables tuned;
  std::shared_ptr<const std::string> configuration;
};

/// Asks for the status document (JSON).
struct get_status {};

/// Something that was stored cannot be read: logged and counted, for status.
struct damage_found {
  std::string what;
};

/// A connection came or went, for status.
struct connections_changed {
  std::uint32_t open = 0;
};

/// Ends the system in order; the reply comes when everything is synced.
struct drain_system {
  std::int64_t deadline_ms = 10'000;
};

}  // namespace lamina

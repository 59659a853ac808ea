// Asks the supervisor for the status document from outside the actors.
#pragma once

#include <utility>

#include <boost/asio.hpp>
#include <functional>
#include <string>

#include "actors/interfaces.hpp"

namespace lamina {

/// Calls `then` on the thread that runs `io`, with the document, or with an
/// empty text when the supervisor does not answer within five seconds.
void request_status(boost::asio::io_context& io, caf::actor_system& sys,
                    const supervisor_actor& supervisor,
                    std::function<void(const std::string&)> then);

}  // namespace lamina

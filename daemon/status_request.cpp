#include "daemon/status_request.hpp"
#include "actors/messages/supervisor.hpp"

#include <caf/all.hpp>

namespace lamina {

void request_status(boost::asio::io_context& io, caf::actor_system& sys,
                    const supervisor_actor& supervisor,
                    std::function<void(const std::string&)> then) {
  constexpr auto patience = std::chrono::seconds(5);
  auto arrived = [&io, then = std::move(then)](const std::string& status) {
    boost::asio::post(io, [then, status] { then(status); });
  };
  sys.spawn([arrived, supervisor](caf::event_based_actor* self) {
    self->request(supervisor, patience, get_status{})
        .then([arrived](const std::string& status) { arrived(status); },
              [arrived](const caf::error&) { arrived(""); });
  });
}

}  // namespace lamina

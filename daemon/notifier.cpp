#include "daemon/notifier.hpp"

#include <spdlog/spdlog.h>
#include <systemd/sd-daemon.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "actors/messages/supervisor.hpp"
#include "daemon/status_request.hpp"

namespace lamina {

patience_request::patience_request(const char* status) {
  if (std::getenv("NOTIFY_SOCKET") == nullptr) return;
  sd_notifyf(0, "STATUS=%s", status);
  asking_ = std::thread([this] {
    std::unique_lock lock(mutex_);
    do
      sd_notify(0, "EXTEND_TIMEOUT_USEC=60000000");
    while (!over_.wait_for(lock, std::chrono::seconds(15),
                           [this] { return ended_; }));
  });
}

patience_request::~patience_request() {
  if (!asking_.joinable()) return;
  {
    std::lock_guard lock(mutex_);
    ended_ = true;
  }
  over_.notify_one();
  asking_.join();
}

watchdog_feeder::watchdog_feeder(boost::asio::io_context& io,
                                 caf::actor_system& sys,
                                 supervisor_actor supervisor)
    : io_(io),
      sys_(sys),
      supervisor_(std::move(supervisor)),
      timer_(io),
      self_(std::make_shared<watchdog_feeder*>(this)) {
  std::uint64_t within_us = 0;
  if (sd_watchdog_enabled(0, &within_us) <= 0) return;
  // Three chances, less what an answer may take.
  every_ = std::chrono::microseconds(within_us / 4);
  wait();
}

void watchdog_feeder::wait() {
  timer_.expires_after(every_);
  timer_.async_wait([this](const boost::system::error_code& cancelled) {
    if (!cancelled) ask();
  });
}

void watchdog_feeder::ask() {
  request_status(io_, sys_, supervisor_,
                 [self = std::weak_ptr(self_)](const std::string& status) {
                   const auto feeder = self.lock();
                   if (!feeder) return;
                   (*feeder)->judge(status);
                   (*feeder)->wait();
                 });
}

void watchdog_feeder::judge(const std::string& status) {
  const auto document = nlohmann::json::parse(status, nullptr, false);
  if (!document.is_object())
    return spdlog::error(
        "the supervisor does not answer; systemd is not told "
        "that all is well");
  const auto silent =
      judge_.silent_part(document, std::chrono::steady_clock::now());
  if (silent.empty())
    sd_notify(0, "WATCHDOG=1");
  else
    spdlog::critical(
        "{} has been silent for too long; systemd is not told "
        "that all is well",
        silent);
}

}  // namespace lamina

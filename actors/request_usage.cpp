// GetUsage: who holds how much of the store, and where the file's bytes are.
#include <algorithm>
#include <map>
#include <utility>

#include "actors/request.hpp"

namespace lamina {
namespace {

struct usage_request_state {
  using pointer = request_actor::stateful_pointer<usage_request_state>;
  explicit usage_request_state(pointer actor) : self(actor) {}

  void run();
  void read();
  void take(const usage_report& report);
  void add_conversations(const usage_report& report);
  void add_file();

  static inline const char* name = "request_usage";
  pointer self;
  request_context ctx;
  std::map<conversation_id, std::string> owned;  // the model of each
  wire::UsageT answer;
};

std::unique_ptr<wire::HoldingT> holding_of(const usage& used) {
  return std::make_unique<wire::HoldingT>(to_wire(used));
}

std::uint64_t held_by(const wire::ConversationUsageT& c) {
  const auto& h = *c.holding;
  return h.unique_activation_bytes + h.unique_lens_bytes +
         h.shared_activation_bytes + h.shared_lens_bytes + h.record_bytes;
}

wire::FileUsageT to_wire(const file_accounts& file) {
  wire::FileUsageT w;
  w.file_bytes = file.file_bytes;
  w.unwritten_bytes = file.unwritten_bytes;
  w.behind_bytes = file.behind_bytes;
  w.own_bytes = file.own_bytes;
  w.live_bytes = file.live_bytes;
  w.rounding_bytes = file.rounding_bytes;
  w.free_bytes = file.free_bytes;
  return w;
}

void usage_request_state::run() {
  self->request(ctx.view->catalog, caf::infinite,
                list_conversations{ctx.who, {}, 0})
      .then(
          [this](const list_result& listed) {
            if (!listed) return send_error(self, ctx, listed.error());
            for (const auto& record : listed.value())
              if (owns(ctx.who, record)) owned[record.id] = record.model;
            read();
          },
          unavailable(self, ctx, "catalog"));
}

void usage_request_state::read() {
  self->request(ctx.view->auditor, caf::infinite, read_usage{})
      .then(
          [this](const usage_read& report) {
            if (!report) return send_error(self, ctx, report.error());
            take(report.value());
          },
          unavailable(self, ctx, "auditor"));
}

void usage_request_state::take(const usage_report& report) {
  add_conversations(report);
  // What others hold is the business of whoever runs the daemon.
  const bool runs_it = ctx.who.scopes.has(scope::admin);
  for (const auto& owner : report.owners) {
    const bool yours = owner.uid == ctx.who.uid && owner.token == ctx.who.token;
    if (!runs_it && !yours) continue;
    auto w = std::make_unique<wire::OwnerUsageT>();
    w->uid = owner.uid;
    w->token = owner.token;
    w->conversations = owner.conversations;
    w->holding = holding_of(owner.used);
    answer.owners.push_back(std::move(w));
  }
  for (const auto& of : report.models) {
    if (!runs_it) break;
    auto w = std::make_unique<wire::ModelUsageT>();
    w->model = of.model;
    w->conversations = of.conversations;
    w->holding = holding_of(of.used);
    answer.models.push_back(std::move(w));
  }
  answer.held_bytes = report.held.sum();
  answer.waiting_bytes = report.waiting.sum();
  add_file();
}

void usage_request_state::add_conversations(const usage_report& report) {
  auto& all = answer.conversations;
  for (const auto& one : report.conversations) {
    const auto mine = owned.find(one.id);
    if (mine == owned.end()) continue;
    auto w = std::make_unique<wire::ConversationUsageT>();
    w->conversation = conversation_text(one.id);
    w->model = mine->second;
    w->holding = holding_of(one.used);
    all.push_back(std::move(w));
  }
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) {
    return held_by(*a) > held_by(*b);
  });
  const std::size_t limit = ctx.body->AsGetUsage()->limit;
  if (all.size() > limit) all.resize(limit);
}

void usage_request_state::add_file() {
  self->request(ctx.view->auditor, caf::infinite, read_statistics{})
      .then(
          [this](const statistics_read& read) {
            if (!read) return send_error(self, ctx, read.error());
            answer.file =
                std::make_unique<wire::FileUsageT>(to_wire(read.value().file));
            send_terminal(self, ctx, make_body(std::move(answer)));
          },
          unavailable(self, ctx, "auditor"));
}

}  // namespace

request_actor spawn_usage_request(caf::actor_system& sys, request_context ctx) {
  return spawn_request_of<usage_request_state>(sys, std::move(ctx));
}

}  // namespace lamina

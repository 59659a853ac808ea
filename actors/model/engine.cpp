#include "actors/model/engine.hpp"

#include <algorithm>
#include <chrono>
#include <new>
#include <stdexcept>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "actors/model/admission.hpp"
#include "actors/model/fair_shares.hpp"
#include "actors/model/head_pass.hpp"
#include "actors/model/kv_reuse.hpp"
#include "actors/model/kv_store.hpp"
#include "actors/model/loaded_model.hpp"
#include "actors/model/machine_memory.hpp"
#include "actors/model/sequence.hpp"
#include "actors/model/step.hpp"

namespace lamina {
namespace {

// torch goes on with a stack trace.
std::string first_line(std::string_view what) {
  return std::string(what.substr(0, what.find('\n')));
}

class engine_impl final : public engine {
 public:
  engine_impl(std::shared_ptr<const loaded_model> m, engine_options options)
      : model_(std::move(m)),
        layers_(model_->layers()),
        options_(options),
        kv_memory_(layers_.make_kv_memory(kv_bytes_max())),
        idle_(options.kv_budget_bytes),
        pace_(options.pace),
        heads_(layers_, model_->description(), kv_memory_ != nullptr) {}

  result<sequence_id> add(sequence_request request) override;
  std::vector<sequence_progress> step() override;
  bool idle() const override;
  engine_stats stats() const override;

  position_t captured_from(sequence_id id) const override {
    for (const auto& s : running_)
      if (s->id() == id && s->captured()) return s->captured()->from();
    return 0;
  }
  void cancel(sequence_id id, finish_reason why) override {
    if (sequence* s = find(id)) s->cancel(why);
  }
  void pause(sequence_id id, bool paused) override {
    if (sequence* s = find(id)) s->pause(paused);
  }
  void stop_capture(sequence_id id) override {
    if (sequence* s = find(id)) s->stop_capture();
  }
  void forget(std::uint64_t conversation) override {
    idle_.forget(conversation);
  }

 private:
  step_clock& clock() { return memory_.clock; }
  std::uint64_t kv_bytes_max() const;
  sequence* find(sequence_id id);
  result<void> check(const sequence_request& request) const;
  bool forward();
  void make_plan();
  void share_out();
  void count_rows();
  void make_room(const std::exception& e);
  std::vector<sequence_progress> report();

  std::shared_ptr<const loaded_model> model_;
  const architecture& layers_;
  engine_options options_;
  std::shared_ptr<kv_memory> kv_memory_;  // of all caches; null: the heap
  kv_store idle_;
  prefill_pace pace_;
  fair_shares shares_;
  sequences running_;
  sequence_id last_id_ = 0;
  engine_stats stats_;
  double step_seconds_ = 0;      // of the last step
  std::uint32_t decoded_ = 0;    // rows of this step
  std::uint32_t prefilled_ = 0;  // likewise
  // Kept between steps, so that steady state allocates little.
  step_plan plan_;
  chunk_writer writer_;
  forward_memory memory_;
  std::vector<prefill_claim> claims_;  // in the order of running_
  head_pass heads_;
};

// Idle caches, and all sequences that may run with all of their contexts.
std::uint64_t engine_impl::kv_bytes_max() const {
  const std::uint64_t pages =
      model_->description().context_length / kv_cache::page_positions + 1;
  const std::uint64_t one = pages * kv_cache::page_bytes(layers_.cache_shape());
  const std::uint64_t all = options_.max_sequences * one;
  const std::uint64_t most = options_.kv_running_bytes_max;
  // Whoever is alone may always run.
  return options_.kv_budget_bytes +
         (most == 0 ? all : std::min(all, std::max(most, one)));
}

sequence* engine_impl::find(sequence_id id) {
  for (const auto& s : running_)
    if (s->id() == id) return s.get();
  return nullptr;
}

result<void> engine_impl::check(const sequence_request& r) const {
  const model_description& d = model_->description();
  if (r.tokens.empty())
    return fail(error_code::invalid_argument, "the prompt is empty");
  if (r.tokens.size() > d.context_length)
    return fail(error_code::context_full,
                std::to_string(r.tokens.size()) +
                    " tokens do not fit the model's context of " +
                    std::to_string(d.context_length));
  for (const token_id id : r.tokens)
    if (id >= d.vocabulary)
      return fail(error_code::invalid_argument,
                  "token " + std::to_string(id) +
                      " is outside the vocabulary of " +
                      std::to_string(d.vocabulary));
  const position_t required = r.capture_required_from.value_or(r.capture_from);
  if (row_in_chunk(r.capture_from) != 0 || r.capture_from > r.tokens.size() ||
      row_in_chunk(required) != 0 || required > r.tokens.size() ||
      required < r.capture_from)
    return fail(error_code::invalid_argument,
                "capture_from " + std::to_string(r.capture_from) +
                    " is not the begin of a chunk within the tokens");
  BOOST_OUTCOME_TRYV(lamina::check(r.sampling));
  return check_stops(r.stop);
}

result<sequence_id> engine_impl::add(sequence_request request) {
  BOOST_OUTCOME_TRYV(check(request));
  BOOST_OUTCOME_TRYV(
      admit(request, options_,
            {running_, model_->description().context_length,
             kv_cache::page_bytes(layers_.cache_shape()), step_seconds_}));
  kv_cache cache =
      reuse_cache(request, idle_, running_, layers_.cache_shape(), kv_memory_);
  request.capture_from = first_captured(request, cache.length());
  running_.push_back(std::make_unique<sequence>(++last_id_, std::move(request),
                                                *model_, std::move(cache)));
  return last_id_;
}

bool engine_impl::idle() const {
  return std::all_of(running_.begin(), running_.end(),
                     [](const auto& s) { return s->paused(); });
}

std::vector<sequence_progress> engine_impl::step() {
  if (idle()) return {};
  const auto begin = std::chrono::steady_clock::now();
  ++stats_.steps;
  decoded_ = prefilled_ = 0;
  clock().start();
  while (!forward())
    continue;
  if (!plan_.tokens.empty()) {
    stats_.tokens_decoded +=
        heads_.run(plan_, writer_, memory_,
                   [this](const std::exception& e) { make_room(e); });
    layers_.finish(memory_, writer_);
    clock().lap(step_part::capture);
  }
  auto all = report();
  clock().lap(step_part::other);
  const std::chrono::duration<double> took =
      std::chrono::steady_clock::now() - begin;
  step_seconds_ = took.count();
  pace_.took(decoded_, prefilled_, step_seconds_);
  return all;
}

// Plans the step and runs the layers; false when memory ran out and room was
// made for another try. What it needs grows with the sequences, so this is
// where it runs out.
bool engine_impl::forward() {
  try {
    make_plan();
    if (plan_.tokens.empty()) return true;
    writer_.prepare(plan_, model_->shape());
    clock().lap(step_part::other);
    layers_.forward(plan_.tokens, plan_.spans, memory_, writer_);
  } catch (const std::exception& e) {
    if (!is_out_of_memory(e)) throw;
    plan_.undo();
    make_room(e);
    clock().lap(step_part::other);
    return false;
  }
  count_rows();
  for (sequence* s : plan_.owners)
    s->settle();
  return true;
}

void engine_impl::make_room(const std::exception& e) {
  if (idle_.count() != 0) return idle_.clear();
  const auto newest =
      std::find_if(running_.rbegin(), running_.rend(),
                   [](const auto& s) { return !s->finished(); });
  if (newest == running_.rend()) throw std::bad_alloc();
  (*newest)->fail({error_code::out_of_memory,
                   "no memory for the next step: " + first_line(e.what())});
}

void engine_impl::count_rows() {
  for (std::size_t i = 0; i < plan_.spans.size(); ++i) {
    const step_span& span = plan_.spans[i];
    const std::uint32_t prompt = plan_.owners[i]->prompt_length();
    const std::uint32_t of_prompt =
        std::min(span.first + span.count, std::max(prompt, span.first)) -
        span.first;
    prefilled_ += of_prompt;
    decoded_ += span.count - of_prompt;
  }
  stats_.tokens_prefilled += prefilled_;
}

// Every sequence that decodes gets its token; the others share what the step
// may prefill.
void engine_impl::make_plan() {
  plan_.clear();
  share_out();
  const prefill_claim* claim = claims_.data();
  for (const auto& s : running_) {
    if (s->paused() || s->finished()) continue;
    const std::size_t count = s->pending().size() == 1 ? 1 : (claim++)->granted;
    if (count != 0) plan_.add(*s, count);
  }
}

void engine_impl::share_out() {
  claims_.clear();
  bool beside = false;  // somebody waits, but not for these
  bool awaited = false;
  for (const auto& s : running_) {
    if (s->paused() || s->finished()) continue;
    const auto wanted = static_cast<std::uint32_t>(s->pending().size());
    beside |= wanted == 1;
    if (wanted == 1) continue;
    awaited |= !s->bulk();
    claims_.push_back({&s->owner(), s->session(), s->bulk(), wanted});
  }
  shares_.divide(claims_, pace_.rows(beside || !awaited));
}

std::vector<sequence_progress> engine_impl::report() {
  std::vector<sequence_progress> all;
  for (auto& s : running_) {
    const bool took_part = std::find(plan_.owners.begin(), plan_.owners.end(),
                                     s.get()) != plan_.owners.end();
    if (!took_part && !s->finished()) continue;
    all.push_back(s->progress());
    if (!s->finished()) continue;
    if (s->keeps_cache())
      idle_.put(s->conversation(), s->owner(), s->covered_tokens(),
                std::move(s->cache()));
    s.reset();
  }
  std::erase(running_, nullptr);
  return all;
}

engine_stats engine_impl::stats() const {
  engine_stats now = stats_;
  now.sequences = static_cast<std::uint32_t>(running_.size());
  now.idle_caches = static_cast<std::uint32_t>(idle_.count());
  now.kv_bytes_idle = idle_.bytes();
  now.seconds = memory_.clock.seconds();
  std::unordered_set<const std::byte*> pages;  // that no idle cache has
  for (const auto& s : running_)
    for (const auto& page : s->cache().pages())
      if (!idle_.holds(page.get())) pages.insert(page.get());
  now.kv_bytes_running =
      pages.size() * kv_cache::page_bytes(layers_.cache_shape());
  return now;
}

}  // namespace

std::unique_ptr<engine> engine::create(model_ptr m, engine_options options) {
  auto loaded = std::dynamic_pointer_cast<const loaded_model>(m);
  if (loaded == nullptr)
    throw std::invalid_argument("the engine runs what model::load returns");
  return std::make_unique<engine_impl>(std::move(loaded), options);
}

}  // namespace lamina

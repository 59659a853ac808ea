#include "actors/model/engine.hpp"

#include <omp.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <new>
#include <stdexcept>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "actors/lens/lens.hpp"
#include "actors/model/fair_shares.hpp"
#include "actors/model/kernels/team.hpp"
#include "actors/model/kv_store.hpp"
#include "actors/model/loaded_model.hpp"
#include "actors/model/sequence.hpp"
#include "actors/model/step.hpp"

namespace lamina {
namespace {

using sequences = std::vector<std::unique_ptr<sequence>>;

// torch reports it as an error like any other.
bool is_out_of_memory(const std::exception& e) {
  if (dynamic_cast<const std::bad_alloc*>(&e) != nullptr) return true;
  const std::string_view what = e.what();
  return what.find("not enough memory") != what.npos ||
         what.find("out of memory") != what.npos ||  // CUDA's
         what.find("can't allocate memory") != what.npos;
}

// Bounds of what a client that was refused is told to wait.
constexpr double retry_ms_min = 50;
constexpr double retry_ms_max = 30'000;

// Positions that computing costs more than the copy of a page that is shared.
constexpr std::uint32_t shared_min = 8;
// torch goes on with a stack trace.
std::string first_line(std::string_view what) {
  return std::string(what.substr(0, what.find('\n')));
}

// One row of a step whose logits are wanted: for the next token, for the lens
// of all layers, or both.
struct head_job {
  sequence* owner;
  position_t position;
  std::uint32_t step_row;
  bool lens;
  bool sample;
};

// A row of logits that the lens wants.
struct lens_row {
  const head_job* job;
  std::uint32_t at;    // among the rows of logits
  std::uint32_t last;  // the same position's last layer
  distribution summary;
  token_rating rating;
};

class engine_impl final : public engine {
 public:
  engine_impl(std::shared_ptr<const loaded_model> m, engine_options options)
      : model_(std::move(m)),
        layers_(model_->layers()),
        options_(options),
        kv_memory_(layers_.make_kv_memory(kv_bytes_max())),
        idle_(options.kv_budget_bytes),
        pace_(options.pace) {}

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
  result<void> admit(const sequence_request& request) const;
  error overloaded(const std::string& sentence) const;
  std::uint32_t reusable_length(const sequence_request& request) const;
  kv_cache reusable_cache(const sequence_request& request);
  std::optional<kv_cache> shared_cache(const sequence_request& request,
                                       std::uint32_t own, std::uint32_t most);
  position_t first_captured(const sequence_request& request,
                            std::uint32_t cached) const;
  bool forward();
  void make_plan();
  void share_out();
  void count_rows();
  void make_room(const char* what);
  void run_heads();
  void collect_jobs();
  std::uint32_t logit_rows(const head_job& job) const;
  bool run_head(std::span<const head_job> jobs);
  void compute_logits(std::span<const head_job> jobs);
  std::vector<pass_row> pass_rows(std::span<const head_job> jobs) const;
  void summarise_scored();
  void sample_scored(std::span<const head_job> jobs);
  void rate_scored();
  void gather(const head_job& job, std::span<float> out) const;
  void summarise_rows();
  void sample_tokens(std::span<const head_job> jobs);
  void rate_rows();
  void take_rows(std::span<const head_job> jobs);
  static std::optional<token_id> next_token(const head_job& job);
  std::span<const float> logits(std::uint32_t row) const;
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
  std::vector<float> residuals_;
  std::vector<float> logits_;
  std::vector<prefill_claim> claims_;  // in the order of running_
  scored_rows_ptr scored_;  // logits on a device, in place of these two
  std::vector<head_job> jobs_;
  std::vector<lens_row> lens_rows_;
  std::vector<distribution> summaries_;
  std::vector<token_rating> ratings_;
};

// Idle caches, and every sequence that may run with all of its context.
std::uint64_t engine_impl::kv_bytes_max() const {
  const std::uint64_t pages =
      model_->description().context_length / kv_cache::page_positions + 1;
  return options_.kv_budget_bytes +
         options_.max_sequences * pages *
             kv_cache::page_bytes(layers_.cache_shape());
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

// Nobody takes all places: others could not even begin.
result<void> engine_impl::admit(const sequence_request& r) const {
  const std::size_t most = options_.max_sequences;
  if (running_.size() >= most)
    return overloaded(std::to_string(running_.size()) +
                      " sequences are running");
  const auto count = [&](auto among) {
    return static_cast<std::size_t>(
        std::count_if(running_.begin(), running_.end(), among));
  };
  const auto own = count([&](const auto& s) { return s->owner() == r.owner; });
  if (own >= most - most / 4)
    return overloaded(std::to_string(own) + " sequences of " +
                      (r.owner.empty() ? "one owner" : r.owner) +
                      " are running, which is as many as one owner may have");
  const auto bulk = count([](const auto& s) { return s->bulk(); });
  if (r.bulk && bulk >= std::max<std::size_t>(most / 4, 1))
    return overloaded(std::to_string(bulk) + " recomputations are running");
  return success();
}

// Whoever is refused comes back when the first of those that run has ended, if
// none ends before its time.
error engine_impl::overloaded(const std::string& sentence) const {
  std::uint32_t tokens = std::numeric_limits<std::uint32_t>::max();
  for (const auto& s : running_)
    tokens = std::min(tokens, s->tokens_left() + 1);
  const double ms = running_.empty() ? 0 : 1e3 * step_seconds_ * tokens;
  return {
      error_code::overloaded, sentence,
      static_cast<std::uint32_t>(std::clamp(ms, retry_ms_min, retry_ms_max))};
}

result<sequence_id> engine_impl::add(sequence_request request) {
  BOOST_OUTCOME_TRYV(check(request));
  BOOST_OUTCOME_TRYV(admit(request));
  kv_cache cache = reusable_cache(request);
  request.capture_from = first_captured(request, cache.length());
  running_.push_back(std::make_unique<sequence>(++last_id_, std::move(request),
                                                *model_, std::move(cache)));
  return last_id_;
}

// Rows that are wanted must be computed, and the one before them too, for the
// lens rates a token by it; at least one token is always forwarded.
std::uint32_t engine_impl::reusable_length(const sequence_request& r) const {
  const auto last = static_cast<std::uint32_t>(r.tokens.size()) - 1;
  const position_t required = r.capture_required_from.value_or(r.capture_from);
  return r.capture ? std::min(last, std::max(required, 1u) - 1) : last;
}

// The conversation's own cache, unless another one of its owner, idle or
// running, holds more of what can be reused.
kv_cache engine_impl::reusable_cache(const sequence_request& r) {
  const std::uint32_t most = reusable_length(r);
  const std::uint32_t own = idle_.common_prefix(r.conversation, r.tokens);
  if (own < most)
    if (auto shared = shared_cache(r, own, most)) return *std::move(shared);
  if (own == 0) return kv_cache(layers_.cache_shape(), kv_memory_);
  // A request for the begin of what the cache holds leaves it as it is.
  const bool keep = !r.keep_cache || own == r.tokens.size();
  return idle_.take(r.conversation, std::min(own, most), keep);
}

// What another conversation has beyond `own`, if it is worth a page's copy.
std::optional<kv_cache> engine_impl::shared_cache(const sequence_request& r,
                                                  std::uint32_t own,
                                                  std::uint32_t most) {
  const auto idle = idle_.longest_prefix(r.owner, r.tokens);
  const sequence* running = nullptr;
  std::uint32_t common = idle.length;
  for (const auto& s : running_) {
    if (s->owner() != r.owner) continue;
    const auto done = s->tokens().first(s->forwarded());
    const std::uint32_t length = common_length(r.tokens, done);
    if (length <= common) continue;
    running = s.get();
    common = length;
  }
  const std::uint32_t length = std::min(common, most);
  if (length < own + shared_min) return std::nullopt;
  if (running != nullptr) return running->cache().prefix(length);
  return idle_.take(idle.conversation, length, true);
}

// The first chunk whose rows, and the one before them, are computed.
position_t engine_impl::first_captured(const sequence_request& r,
                                       std::uint32_t cached) const {
  if (cached < r.capture_from || cached == 0) return r.capture_from;
  return first_position(chunk_of(cached) + 1);
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
    run_heads();
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
    make_room(e.what());
    clock().lap(step_part::other);
    return false;
  }
  count_rows();
  for (sequence* s : plan_.owners)
    s->settle();
  return true;
}

void engine_impl::make_room(const char* what) {
  if (idle_.count() != 0) return idle_.clear();
  const auto newest =
      std::find_if(running_.rbegin(), running_.rend(),
                   [](const auto& s) { return !s->finished(); });
  if (newest == running_.rend()) throw std::bad_alloc();
  (*newest)->fail({error_code::out_of_memory,
                   "no memory for the next step: " + first_line(what)});
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

void engine_impl::run_heads() {
  collect_jobs();
  clock().lap(step_part::other);
  // Slices bound the memory of logits; decoding fits into one.
  const std::size_t rows_max =
      std::size_t{lens_slice_positions(model_->description().layers,
                                       model_->description().vocabulary)} *
      (model_->description().layers + 1);
  for (std::size_t first = 0; first < jobs_.size();) {
    std::size_t last = first;
    for (std::size_t rows = 0; last < jobs_.size(); ++last) {
      rows += logit_rows(jobs_[last]);
      if (rows > rows_max && last > first) break;
    }
    if (run_head(std::span(jobs_).subspan(first, last - first)))
      first = last;
    else
      jobs_.erase(
          std::remove_if(
              jobs_.begin() + static_cast<std::ptrdiff_t>(first), jobs_.end(),
              [](const head_job& job) { return job.owner->failed(); }),
          jobs_.end());
  }
}

void engine_impl::collect_jobs() {
  jobs_.clear();
  for (std::size_t i = 0; i < plan_.spans.size(); ++i) {
    const step_span& span = plan_.spans[i];
    sequence& owner = *plan_.owners[i];
    for (std::uint32_t p = 0; p < span.count; ++p) {
      const std::uint32_t row = span.first_row + p;
      const bool lens =
          owner.lens() != nullptr && writer_.at(row).chunk != nullptr;
      const bool sample = p + 1 == span.count && owner.wants_token();
      if (lens || sample)
        jobs_.push_back({&owner, span.first + p, row, lens, sample});
    }
  }
}

std::uint32_t engine_impl::logit_rows(const head_job& job) const {
  return job.lens ? model_->description().layers + 1 : 1;
}

// False when memory ran out, before anything was made of the logits, and room
// was made for another try.
bool engine_impl::run_head(std::span<const head_job> jobs) {
  try {
    compute_logits(jobs);
    summarise_rows();
  } catch (const std::exception& e) {
    if (!is_out_of_memory(e)) throw;
    make_room(e.what());
    clock().lap(step_part::other);
    return false;
  }
  clock().lap(step_part::lens);
  sample_tokens(jobs);
  clock().lap(step_part::sampling);
  rate_rows();
  take_rows(jobs);
  clock().lap(step_part::lens);
  return true;
}

// The residuals of all jobs in one pass over the head's weights.
void engine_impl::compute_logits(std::span<const head_job> jobs) {
  const output_head& head = layers_.head();
  lens_rows_.clear();
  std::uint32_t rows = 0;
  for (const head_job& job : jobs) {
    const std::uint32_t own = logit_rows(job);
    for (std::uint32_t l = 0; job.lens && l < own; ++l)
      lens_rows_.push_back({&job, rows + l, rows + own - 1, {}, {}});
    rows += own;
  }
  if (kv_memory_) {  // on a device
    scored_ = layers_.score(pass_rows(jobs), memory_);
    clock().lap(step_part::matmul);  // of all parts: they overlap there
    return;
  }
  residuals_.resize(std::size_t{rows} * head.width());
  logits_.resize(std::size_t{rows} * head.vocabulary());
  std::span<float> to = residuals_;
  for (const head_job& job : jobs) {
    const std::size_t size = std::size_t{logit_rows(job)} * head.width();
    gather(job, to.first(size));
    to = to.subspan(size);
  }
  head.logits(residuals_, rows, logits_, omp_get_max_threads());
  // A position that is sampled needs one row of logits anyway.
  const auto sampled = static_cast<double>(
      std::count_if(jobs.begin(), jobs.end(),
                    [](const head_job& job) { return job.sample; }));
  clock().lap(step_part::matmul, sampled / rows, step_part::lens);
}

// What the lens wants of each row, all rows at once: a decoding sequence has
// one position, but many layers.
void engine_impl::summarise_rows() {
  if (scored_) return summarise_scored();
  for_each_unit(static_cast<std::uint32_t>(lens_rows_.size()), true,
                [&](std::uint32_t i) {
                  lens_row& row = lens_rows_[i];
                  row.summary =
                      summarise_row(logits(row.at), logits(row.last).data());
                });
}

void engine_impl::sample_tokens(std::span<const head_job> jobs) {
  if (scored_) return sample_scored(jobs);
  std::uint32_t last = 0;
  for (const head_job& job : jobs) {
    last += logit_rows(job);
    if (!job.sample) continue;
    job.owner->sample(logits(last - 1));
    ++stats_.tokens_decoded;
  }
}

void engine_impl::rate_rows() {
  if (scored_) return rate_scored();
  for_each_unit(static_cast<std::uint32_t>(lens_rows_.size()), true,
                [&](std::uint32_t i) {
                  lens_row& row = lens_rows_[i];
                  if (const auto next = next_token(*row.job))
                    row.rating = rate_row(logits(row.at), row.summary, *next);
                });
}

// The same rows where they are on a device.
std::vector<pass_row> engine_impl::pass_rows(
    std::span<const head_job> jobs) const {
  std::vector<pass_row> rows;
  for (const head_job& job : jobs)
    for (std::uint32_t own = logit_rows(job); own > 0; --own)
      rows.push_back({model_->description().layers + 1 - own, job.step_row});
  return rows;
}

void engine_impl::summarise_scored() {
  std::vector<row_pair> rows;
  for (const lens_row& row : lens_rows_)
    rows.push_back({row.at, row.last});
  const auto summaries = scored_->summarise(rows);
  for (std::size_t i = 0; i < rows.size(); ++i)
    lens_rows_[i].summary = summaries[i];
}

void engine_impl::sample_scored(std::span<const head_job> jobs) {
  std::vector<std::uint32_t> rows;
  std::uint32_t last = 0;
  for (const head_job& job : jobs) {
    last += logit_rows(job);
    if (job.sample) rows.push_back(last - 1);
  }
  if (rows.empty()) return;
  logits_ = scored_->logits(rows);
  std::uint32_t at = 0;
  for (const head_job& job : jobs) {
    if (!job.sample) continue;
    job.owner->sample(logits(at++));
    ++stats_.tokens_decoded;
  }
}

void engine_impl::rate_scored() {
  std::vector<row_token> rows;
  for (const lens_row& row : lens_rows_)
    if (const auto next = next_token(*row.job)) rows.push_back({row.at, *next});
  const auto ratings = scored_->rate(rows);
  std::size_t at = 0;
  for (lens_row& row : lens_rows_)
    if (next_token(*row.job)) row.rating = ratings[at++];
}

// In the order of positions, for each rates the one after it.
void engine_impl::take_rows(std::span<const head_job> jobs) {
  std::size_t first = 0;
  for (const head_job& job : jobs) {
    if (!job.lens) continue;
    summaries_.clear();
    ratings_.clear();
    for (const std::size_t end = first + logit_rows(job); first < end;
         ++first) {
      summaries_.push_back(lens_rows_[first].summary);
      ratings_.push_back(lens_rows_[first].rating);
    }
    job.owner->lens()->take(job.position, summaries_);
    if (next_token(job)) job.owner->lens()->rate_next(ratings_);
  }
}

// A stop string may have cut the next token off again.
std::optional<token_id> engine_impl::next_token(const head_job& job) {
  const auto& tokens = job.owner->tokens();
  if (job.position + 1 >= tokens.size()) return std::nullopt;
  return tokens[job.position + 1];
}

std::span<const float> engine_impl::logits(std::uint32_t row) const {
  const std::size_t vocabulary = layers_.head().vocabulary();
  return std::span(logits_).subspan(row * vocabulary, vocabulary);
}

void engine_impl::gather(const head_job& job, std::span<float> out) const {
  if (job.lens) {
    const capture::place& place = writer_.at(job.step_row);
    gather_residuals(*place.chunk, place.row, out);
    return;
  }
  const float* row = memory_.residual.data() + job.step_row * out.size();
  std::copy(row, row + out.size(), out.begin());
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
      pages.size() * kv_cache(layers_.cache_shape()).page_bytes();
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

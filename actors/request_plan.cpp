// PlanCapture: predicts what capturing would take, from what the asker's own
// conversations of this model take on disk in that quality, where there are
// any, and from what the daemon has measured since it started.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "actors/measure/capture_plan.hpp"
#include "actors/measure/codec_rates.hpp"
#include "actors/request.hpp"

namespace lamina {
namespace {

using nlohmann::json;

/// What is looked at of what is stored: enough for an average.
constexpr std::uint32_t conversations_max = 16;
constexpr std::size_t chunks_max = 64;
constexpr std::uint64_t bytes_max = 64u << 20;

struct plan_request_state {
  using pointer = request_actor::stateful_pointer<plan_request_state>;
  explicit plan_request_state(pointer actor) : self(actor) {}

  void run();
  std::optional<error> choose();
  void find_conversations();
  void show_next();
  void take_chunks(const conversation_shown& shown);
  void read_next();
  void take_values(const std::vector<stored_value_ptr>& values);
  void ask_speeds();
  void answer();
  json document() const;
  void stop(const error& e) { send_error(self, ctx, e); }

  static inline const char* name = "request_plan";
  pointer self;
  request_context ctx;
  const wire::PlanCaptureT* ask = nullptr;
  std::string model;
  hosted_model hosted;
  plan_question question;
  std::vector<conversation_id> conversations;  // to be looked at, last first
  std::vector<digest> chunks;                  // the same
  std::uint64_t bytes_read = 0;
  stored_sizes sums;
  std::size_t asked = 0;  // of speeds, and not answered
  codec_status encoded;
};

void plan_request_state::run() {
  ask = ctx.body->AsPlanCapture();
  if (auto wrong = choose()) return stop(*wrong);
  find_conversations();
}

std::optional<error> plan_request_state::choose() {
  const auto& models = ctx.view->models;
  model = ask->model;
  if (model.empty() && models.size() == 1) model = models.begin()->first;
  const auto found = models.find(model);
  if (found == models.end())
    return error{error_code::not_found,
                 model.empty() ? "several models run here: name one"
                               : "no model '" + model + "'"};
  hosted = found->second;
  if (!hosted.model)
    return error{error_code::unavailable,
                 "the model '" + model + "' is not loaded: " + hosted.health};
  if (ask->tokens == 0 || ask->tokens > limits::plan_tokens_max)
    return error{
        error_code::invalid_argument,
        "tokens must be from 1 to " + std::to_string(limits::plan_tokens_max)};
  const auto kept =
      ask->quality.empty() ? hosted.kept : quality_named(ask->quality);
  if (!kept || *kept == quality::raw)
    return error{error_code::invalid_argument,
                 "'" + ask->quality + "' is not a quality"};
  question.shape = hosted.model->shape();
  question.kept = *kept;
  question.tokens = ask->tokens;
  question.lens_records =
      ask->lens != static_cast<std::uint8_t>(lens_mode::on_demand);
  question.disk_bytes_max = ctx.view->budgets.disk_bytes;
  question.memory_bytes_max = ctx.view->budgets.memory_bytes;
  return std::nullopt;
}

void plan_request_state::find_conversations() {
  self->request(ctx.view->catalog, caf::infinite,
                list_conversations{ctx.who, model, 0})
      .then(
          [this](const list_result& found) {
            if (!found) return stop(found.error());
            const auto root = root_of(hosted.model->origin());
            for (const auto& record : found.value())
              if (record.root == root &&
                  conversations.size() < conversations_max)
                conversations.insert(conversations.begin(), record.id);
            show_next();
          },
          unavailable(self, ctx, "catalog"));
}

void plan_request_state::show_next() {
  if (conversations.empty() || chunks.size() >= chunks_max) return read_next();
  const auto id = conversations.back();
  conversations.pop_back();
  self->request(ctx.view->catalog, caf::infinite,
                show_conversation{ctx.who, id})
      .then(
          [this](const show_result& found) {
            if (found) take_chunks(*found.value());
            show_next();
          },
          unavailable(self, ctx, "catalog"));
}

void plan_request_state::take_chunks(const conversation_shown& shown) {
  for (const auto& chunk : shown.chunks)
    if (chunk.full && chunk.resid_post == presence::present &&
        chunks.size() < chunks_max)
      chunks.push_back(chunk.name);
}

void plan_request_state::read_next() {
  if (chunks.empty() || bytes_read >= bytes_max) return ask_speeds();
  const auto chunk = chunks.back();
  chunks.pop_back();
  read_values read;
  for (const site at : {site::embed, site::resid_post, site::final_norm})
    for (const auto& key : value_keys(chunk, at, question.shape))
      read.keys.push_back(key);
  self->request(ctx.view->reader_of(chunk), caf::infinite, std::move(read))
      .then(
          [this](const values_read& values) {
            if (values) take_values(values.value());
            read_next();
          },
          unavailable(self, ctx, "reader"));
}

/// A chunk counts when all of it is there, in the quality asked for.
void plan_request_state::take_values(
    const std::vector<stored_value_ptr>& values) {
  stored_sizes of_chunk;
  for (const auto& value : values) {
    if (!value) return;
    bytes_read += value->bytes.size();
    const auto header = read_header(value->key, value->bytes);
    if (!header || header.value().kept != question.kept ||
        header.value().rows != chunk_positions)
      return;
    of_chunk.values += 1;
    of_chunk.value_bytes += static_cast<double>(value->bytes.size());
    of_chunk.page_bytes +=
        static_cast<double>(page_bytes_of_value(value->bytes.size()));
  }
  sums.chunks += 1;
  sums.values += of_chunk.values;
  sums.value_bytes += of_chunk.value_bytes;
  sums.page_bytes += of_chunk.page_bytes;
}

void plan_request_state::ask_speeds() {
  const auto done = [this] {
    if (--asked == 0) answer();
  };
  asked = ctx.view->codecs.size() + 1;
  for (const auto& codec : ctx.view->codecs)
    self->request(codec, caf::infinite, get_codec_status{})
        .then(
            [this, done](const codec_status& status) {
              encoded.raw_bytes_encoded += status.raw_bytes_encoded;
              encoded.encode_seconds += status.encode_seconds;
              done();
            },
            [done](const caf::error&) { done(); });
  if (!hosted.actor) return done();
  self->request(hosted.actor, caf::infinite, get_model_status{})
      .then(
          [this, done](const model_status& status) {
            if (status.step_seconds > 0)
              question.speeds.tokens_s =
                  static_cast<double>(status.engine.tokens_prefilled +
                                      status.engine.tokens_decoded) /
                  status.step_seconds;
            done();
          },
          [done](const caf::error&) { done(); });
}

void plan_request_state::answer() {
  if (encoded.encode_seconds > 0)
    question.speeds.encode_bytes_s =
        static_cast<double>(encoded.raw_bytes_encoded) / encoded.encode_seconds;
  question.sizes = default_sizes(question.shape, question.kept);
  if (sums.chunks != 0) {
    const auto count = static_cast<double>(sums.chunks);
    question.sizes = {sums.chunks, sums.values / count,
                      sums.value_bytes / count, sums.page_bytes / count};
  }
  wire::ReportT report;
  report.json = document().dump();
  send_terminal(self, ctx, make_body(std::move(report)));
}

json plan_request_state::document() const {
  const auto plan = plan_capture(question);
  return {{"model", model},
          {"layers", question.shape.layers},
          {"width", question.shape.width},
          {"dtype", to_string(question.shape.element)},
          {"tokens", question.tokens},
          {"quality", to_string(question.kept)},
          {"lens_records", question.lens_records},
          {"measured_chunks", question.sizes.chunks},
          {"value_bytes", plan.value_bytes},
          {"lens_bytes", plan.lens_bytes},
          {"record_bytes", plan.record_bytes},
          {"disk_bytes", plan.disk_bytes},
          {"raw_bytes", plan.raw_bytes},
          {"disk_bytes_per_token", plan.disk_bytes_per_token},
          {"memory_bytes_per_token", plan.memory_bytes_per_token},
          {"chunk_raw_bytes", plan.chunk_raw_bytes},
          {"encode_seconds", plan.encode_seconds},
          {"engine_seconds", plan.engine_seconds},
          {"disk_budget_bytes", question.disk_bytes_max},
          {"memory_budget_bytes", question.memory_bytes_max},
          {"in_flight_budget_bytes", ctx.view->budgets.in_flight_bytes},
          {"tokens_on_disk", plan.tokens_on_disk},
          {"tokens_in_memory", plan.tokens_in_memory},
          {"hours_on_disk", plan.hours_on_disk}};
}

}  // namespace

request_actor spawn_plan_request(caf::actor_system& sys, request_context ctx) {
  return spawn_request_of<plan_request_state>(sys, std::move(ctx));
}

}  // namespace lamina

// ListModels, LoadModel, UnloadModel, PlanModel: which models there are.
// Loading and unloading take an admin (principal.hpp); anybody may ask what a
// directory under the allow-list would take.
#include <nlohmann/json.hpp>
#include <utility>

#include "actors/request.hpp"
#include "actors/spawn.hpp"
#include "actors/supervisor.hpp"

namespace lamina {
namespace {

using nlohmann::json;

struct models_request_state {
  using pointer = request_actor::stateful_pointer<models_request_state>;
  explicit models_request_state(pointer actor) : self(actor) {}

  void run();
  void list();
  void load(const wire::LoadModelT& ask);
  void unload(const wire::UnloadModelT& ask);
  void plan(const wire::PlanModelT& ask);
  void stop(const error& e) { send_error(self, ctx, e); }

  static inline const char* name = "request_models";
  pointer self;
  request_context ctx;
};

std::unique_ptr<wire::ModelInfoT> to_wire(const std::string& name,
                                          const hosted_model& hosted) {
  auto m = std::make_unique<wire::ModelInfoT>();
  m->name = name;
  m->health = hosted.health;
  for (const auto& [lens_name, file] : hosted.lenses)
    m->lenses.push_back(lens_name);
  if (!hosted.model) return m;
  const auto& d = hosted.model->description();
  m->architecture = d.architecture;
  m->layers = d.layers;
  m->width = d.width;
  m->heads = d.heads;
  m->kv_heads = d.kv_heads;
  m->vocabulary = d.vocabulary;
  m->context_length = d.context_length;
  m->parameters = d.parameters;
  m->weight_bytes = d.weight_bytes;
  m->copied_bytes = d.copied_bytes;
  m->dtype = static_cast<std::uint8_t>(d.compute);
  m->fingerprint = to_string(d.fingerprint);
  m->matmul_path = d.matmul_path;
  m->weights = to_string(d.weights);
  m->weight_error = static_cast<float>(d.loss.weights);
  m->logits_error = static_cast<float>(d.loss.logits.value_or(0));
  m->usual_temperature = d.usual_sampling.temperature;
  m->usual_top_k = d.usual_sampling.top_k;
  m->usual_top_p = d.usual_sampling.top_p;
  m->device = to_string(d.device);
  m->device_bytes = d.device_bytes;
  return m;
}

json to_json(const model_plan& p, const std::string& path) {
  const auto& d = p.model;
  return {{"path", path},
          {"architecture", d.architecture},
          {"parameters", d.parameters},
          {"weight_bytes", d.weight_bytes},
          {"dtype", to_string(d.compute)},
          {"weights", to_string(d.weights)},
          {"device", to_string(d.device)},
          {"device_bytes", d.device_bytes},
          {"layers", d.layers},
          {"width", d.width},
          {"heads", d.heads},
          {"kv_heads", d.kv_heads},
          {"vocabulary", d.vocabulary},
          {"context_length", d.context_length},
          {"mapped_bytes", p.mapped_bytes},
          {"copied_bytes", p.copied_bytes()},
          {"converted_bytes", p.converted_bytes},
          {"transposed_bytes", p.turned_bytes},
          {"quantised_bytes", p.quantised_bytes},
          {"aligned_bytes", p.aligned_bytes},
          {"kv_bytes_per_token", p.kv_bytes_per_token},
          {"captured_bytes_per_token", p.captured_bytes_per_token},
          {"memory_bytes", p.memory_bytes},
          {"context_tokens", p.context_tokens},
          {"fits", p.fits},
          {"why_not", p.fits ? std::string() : does_not_fit(p).context}};
}

// 0: as the checkpoint is stored.
result<std::optional<dtype>> read_dtype(std::uint8_t number) {
  const auto type = static_cast<dtype>(number);
  if (number == 0) return std::optional<dtype>();
  if (type == dtype::float32 || type == dtype::bfloat16) return {type};
  return fail(error_code::unsupported,
              "dtype " + std::to_string(number) +
                  "; supported are float32 and bfloat16, or 0: as stored");
}

// Nothing: as the checkpoint has them.
result<weight_format> read_weights(const std::string& name) {
  if (name.empty()) return weight_format::stored;
  if (const auto format = weight_format_named(name)) return *format;
  return fail(error_code::invalid_argument,
              "weights '" + name + "'; supported are stored and int8");
}

// Empty: the CPU.
result<compute_device> device_of(const std::string& name) {
  if (name.empty()) return compute_device{};
  auto device = read_device(name);
  if (device) return device;
  return fail(device.error().code, "device " + device.error().context);
}

void models_request_state::run() {
  if (const auto* ask = ctx.body->AsLoadModel()) return load(*ask);
  if (const auto* ask = ctx.body->AsUnloadModel()) return unload(*ask);
  if (const auto* ask = ctx.body->AsPlanModel()) return plan(*ask);
  list();
}

void models_request_state::list() {
  wire::ModelsT answer;
  for (const auto& [model, hosted] : ctx.view->models)
    answer.models.push_back(to_wire(model, hosted));
  send_terminal(self, ctx, make_body(std::move(answer)));
}

void models_request_state::load(const wire::LoadModelT& ask) {
  auto compute = read_dtype(ask.dtype);
  if (!compute) return stop(compute.error());
  auto weights = read_weights(ask.weights);
  if (!weights) return stop(weights.error());
  const auto device = device_of(ask.device);
  if (!device) return stop(device.error());
  const auto kept = quality_named(ask.quality);
  if (!ask.quality.empty() && !kept)
    return stop({error_code::invalid_argument,
                 "'" + ask.quality +
                     "' is no quality: lossless, high, balanced or small"});
  self->request(ctx.view->supervisor, caf::infinite,
                load_model{ask.name, ask.path, compute.value(), kept,
                           weights.value(), device.value()})
      .then(
          [this, model = ask.name](const model_hosted& hosted) {
            if (!hosted) return stop(hosted.error());
            wire::ModelsT answer;
            answer.models.push_back(
                to_wire(model, hosted.value()->models.at(model)));
            send_terminal(self, ctx, make_body(std::move(answer)));
          },
          unavailable(self, ctx, "supervisor"));
}

void models_request_state::unload(const wire::UnloadModelT& ask) {
  self->request(ctx.view->supervisor, caf::infinite, unload_model{ask.name})
      .then(
          [this](const acknowledgement& done) {
            if (!done) return stop(done.error());
            send_terminal(self, ctx, make_body(wire::AcknowledgedT{}));
          },
          unavailable(self, ctx, "supervisor"));
}

void models_request_state::plan(const wire::PlanModelT& ask) {
  auto compute = read_dtype(ask.dtype);
  if (!compute) return stop(compute.error());
  auto weights = read_weights(ask.weights);
  if (!weights) return stop(weights.error());
  const auto device = device_of(ask.device);
  if (!device) return stop(device.error());
  plan_directory wanted;
  wanted.options.directory = ask.path;
  wanted.options.compute = compute.value();
  wanted.options.weights = weights.value();
  wanted.options.device = device.value();
  wanted.options.memory_bytes = memory_left(*ctx.view);
  wanted.roots = ctx.view->hosting.roots;
  self->request(spawn_planner(self->system()), caf::infinite, std::move(wanted))
      .then(
          [this, path = ask.path](const directory_planned& planned) {
            if (!planned) return stop(planned.error());
            wire::ReportT answer;
            answer.json = to_json(planned.value(), path).dump();
            send_terminal(self, ctx, make_body(std::move(answer)));
          },
          unavailable(self, ctx, "planner"));
}

}  // namespace

request_actor spawn_models_request(caf::actor_system& sys,
                                   request_context ctx) {
  return spawn_request_of<models_request_state>(sys, std::move(ctx));
}

}  // namespace lamina

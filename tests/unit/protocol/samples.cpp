#include "tests/unit/protocol/samples.hpp"

#include <memory>

namespace lamina::samples {
namespace {

std::unique_ptr<wire::TokenT> token(std::uint32_t position) {
  auto made = std::make_unique<wire::TokenT>();
  made->position = position;
  made->id = 1000 + position;
  made->bytes = {0xe2, 0x82};  // half a character, as tokens are
  made->role = 2;
  made->turn = 1;
  return made;
}

void add_requests(std::vector<wire::BodyUnion>& all) {
  wire::HelloT hello;
  hello.client = "test";
  hello.token = "secret";
  all.push_back(make_body(hello));
  wire::PingT ping;
  ping.payload = 0x0123456789abcdef;
  all.push_back(make_body(ping));
  all.push_back(make_body(wire::ListModelsT{}));
  wire::GenerateT generate;
  generate.model = "demo";
  generate.prompt = {'h', 'i', 0};
  generate.stop = {"\n\n", "end"};
  generate.temperature = 0.5f;
  all.push_back(make_body(generate));
  wire::AttachT attach;
  attach.conversation = "0000000000001";
  attach.from_position = 7;
  all.push_back(make_body(attach));
  wire::GetLensT lens;
  lens.positions = {1, 2, 3};
  lens.layers = {-1, 0};
  all.push_back(make_body(lens));
  wire::GetActivationsT activations;
  activations.position_end = 16;
  activations.layers = {0, 5};
  activations.sites = {2};
  all.push_back(make_body(activations));
  all.push_back(make_body(wire::ListConversationsT{}));
  wire::ShowConversationT show;
  show.ledger = true;
  all.push_back(make_body(show));
  all.push_back(make_body(wire::DeleteConversationT{}));
  all.push_back(make_body(wire::PinConversationT{}));
  wire::ForkConversationT fork;
  fork.position = 20;
  all.push_back(make_body(fork));
  all.push_back(make_body(wire::GetStatusT{}));
  wire::CancelT cancel;
  cancel.request = 3;
  all.push_back(make_body(cancel));
}

void add_lens_result(std::vector<wire::BodyUnion>& all) {
  auto layer = std::make_unique<wire::LensLayerT>();
  layer->layer = -1;
  layer->ids = {1, 2};
  layer->texts = {"a", " b"};
  layer->log_probabilities = {-0.5f, -1.5f};
  layer->next_rated = true;
  layer->ranks_of_tracked = {0, 12};
  layer->log_probabilities_of_tracked = {-0.1f, -7.0f};
  auto position = std::make_unique<wire::LensPositionT>();
  position->token = token(4);
  position->layers.push_back(std::move(layer));
  position->source = "memory";
  wire::LensResultT lens;
  lens.conversation = "0000000000001";
  lens.positions.push_back(std::move(position));
  lens.context.push_back(token(3));
  lens.tracked.push_back(token(0));
  lens.last = true;
  all.push_back(make_body(std::move(lens)));
}

wire::ConversationT conversation() {
  wire::ConversationT made;
  made.id = "0000000000001";
  made.created_unix_ms = 1'700'000'000'000;
  made.tokens.push_back(token(0));
  auto entry = std::make_unique<wire::LedgerEntryT>();
  entry->position_end = 16;
  entry->embed = "present";
  auto line = std::make_unique<wire::LedgerLineT>();
  line->site = 1;
  line->layer_end = 1;
  line->state = "present";
  line->quality = "balanced";
  line->relative_error = 0.06f;
  entry->lines.push_back(std::move(line));
  made.ledger.push_back(std::move(entry));
  return made;
}

void add_responses(std::vector<wire::BodyUnion>& all) {
  wire::WelcomeT welcome;
  welcome.server = "laminad";
  all.push_back(make_body(welcome));
  all.push_back(make_body(wire::PongT{}));
  wire::ModelsT models;
  models.models.push_back(std::make_unique<wire::ModelInfoT>());
  models.models.back()->name = "demo";
  models.models.back()->lenses = {"tuned"};
  models.models.back()->weights = "int8";
  models.models.back()->weight_error = 0.0075f;
  all.push_back(make_body(std::move(models)));
  wire::StartedT started;
  started.conversation = "0000000000001";
  all.push_back(make_body(started));
  wire::TokensT tokens;
  tokens.tokens.push_back(token(5));
  tokens.text = "grüße";
  all.push_back(make_body(std::move(tokens)));
  wire::DoneT done;
  done.finish = "length";
  all.push_back(make_body(done));
  add_lens_result(all);
  wire::ActivationsT activations;
  activations.slots.push_back(std::make_unique<wire::ActivationSlotT>());
  activations.width = 8;
  all.push_back(make_body(std::move(activations)));
  all.push_back(make_body(conversation()));
  wire::ConversationsT conversations;
  conversations.conversations.push_back(
      std::make_unique<wire::ConversationT>(conversation()));
  all.push_back(make_body(std::move(conversations)));
  all.push_back(make_body(wire::AcknowledgedT{}));
  wire::StatusT status;
  status.json = "{}";
  all.push_back(make_body(status));
  all.push_back(error_body({error_code::not_found, "no such thing"}));
}

wire::BodyUnion search() {
  wire::SearchT made;
  made.conversation = "0000000000001";
  made.position = 40;
  made.layer = 3;
  made.conversations = {"0000000000001", "0000000000002"};
  made.model = "demo";
  made.text = {' ', 's', 'e', 'a'};
  made.text_match = 2;
  return make_body(std::move(made));
}

wire::BodyUnion search_result() {
  auto hit = std::make_unique<wire::SearchHitT>();
  hit->score = 0.5f;
  hit->conversation = "0000000000001";
  hit->token = token(7);
  hit->before = {'t', 'h', 'e'};
  hit->text = {0xe2, 0x82};
  hit->after = {'.'};
  wire::SearchResultT made;
  made.hits.push_back(std::move(hit));
  made.chunks_total = 12;
  made.last = true;
  return make_body(std::move(made));
}

wire::BodyUnion plan_capture() {
  wire::PlanCaptureT made;
  made.model = "demo";
  made.tokens = 1'000'000;
  made.quality = "balanced";
  made.lens = 3;
  return make_body(std::move(made));
}

wire::BodyUnion load_model() {
  wire::LoadModelT made;
  made.name = "small";
  made.path = "/models/small";
  made.dtype = 2;
  made.quality = "high";
  made.weights = "int8";
  return make_body(std::move(made));
}

wire::BodyUnion plan_model() {
  wire::PlanModelT made;
  made.path = "/models/small";
  made.weights = "int8";
  return make_body(std::move(made));
}

wire::BodyUnion bench_codec() {
  wire::BenchCodecT made;
  made.conversation = "0000000000001";
  made.position_begin = 16;
  made.position_end = 48;
  return make_body(std::move(made));
}

wire::BodyUnion report() {
  wire::ReportT made;
  made.json = "{}";
  return make_body(std::move(made));
}

wire::BodyUnion read_lens() {
  wire::ReadLensT made;
  made.conversation = "0000000000001";
  made.position_end = 40;
  made.layers = {-1, 3};
  made.top_k = 100;
  made.track = {7, 8};
  made.track_texts = {" sea"};
  made.lens = "tuned";
  made.follow = true;
  return make_body(std::move(made));
}

void add_brought(std::vector<wire::BodyUnion>& all) {
  wire::PutConversationT begin;
  begin.model = "gpt2";
  begin.fingerprint = "000102030405060708090a0b0c0d0e0f";
  begin.dtype = 2;
  begin.layers = 12;
  begin.width = 768;
  begin.sites = {1, 2, 3};
  begin.quality = "high";
  all.push_back(make_body(begin));
  wire::PutActivationsT rows;
  rows.conversation = "0000000000001";
  rows.position_begin = 16;
  rows.tokens.push_back(token(16));
  rows.relative_error = 0.01f;
  all.push_back(make_body(std::move(rows)));
  wire::PutLensT lens;
  lens.conversation = "0000000000001";
  lens.position_end = 16;
  lens.first_rated = true;
  all.push_back(make_body(lens));
  wire::FinishConversationT finish;
  finish.conversation = "0000000000001";
  finish.wait_durable = true;
  all.push_back(make_body(finish));
  wire::BroughtT brought;
  brought.conversation = "0000000000001";
  brought.positions = 17;
  all.push_back(make_body(brought));
}

wire::BodyUnion verify_result() {
  auto fidelity = std::make_unique<wire::FidelityT>();
  fidelity->quality = "high";
  fidelity->stored_error_max = 0.004f;
  auto damage = std::make_unique<wire::DamageT>();
  damage->conversation = "0000000000001";
  damage->part = "resid_post";
  damage->kind = "corrupt";
  damage->what = "its checksum does not match";
  wire::VerifyResultT made;
  made.fidelities.push_back(std::move(fidelity));
  made.damages.push_back(std::move(damage));
  made.damages_found = 1;
  made.last = true;
  return make_body(std::move(made));
}

wire::BodyUnion usage() {
  auto conversation = std::make_unique<wire::ConversationUsageT>();
  conversation->conversation = "0000000000001";
  conversation->holding = std::make_unique<wire::HoldingT>();
  conversation->holding->chunks = 3;
  auto owner = std::make_unique<wire::OwnerUsageT>();
  owner->uid = 1000;
  owner->holding = std::make_unique<wire::HoldingT>();
  auto model = std::make_unique<wire::ModelUsageT>();
  model->model = "demo";
  model->holding = std::make_unique<wire::HoldingT>();
  wire::UsageT made;
  made.conversations.push_back(std::move(conversation));
  made.owners.push_back(std::move(owner));
  made.models.push_back(std::move(model));
  made.file = std::make_unique<wire::FileUsageT>();
  made.file->file_bytes = 4096;
  return make_body(std::move(made));
}

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

std::vector<wire::BodyUnion> every_message() {
  std::vector<wire::BodyUnion> all;
  add_requests(all);
  add_responses(all);
  all.push_back(search());
  all.push_back(search_result());
  all.push_back(plan_capture());
  all.push_back(bench_codec());
  all.push_back(report());
  all.push_back(read_lens());
  add_brought(all);
  wire::VerifyCacheT verify;
  verify.conversation = "0000000000001";
  all.push_back(make_body(verify));
  all.push_back(verify_result());
  all.push_back(make_body(wire::GetUsageT{}));
  all.push_back(usage());
  all.push_back(make_body(wire::GetConfigurationT{}));
  wire::ConfigurationT configuration;
  configuration.json = "{}";
  all.push_back(make_body(configuration));
  wire::ShareConversationT share;
  share.conversation = "0000000000001";
  share.group = "lab";
  all.push_back(make_body(share));
  all.push_back(load_model());
  all.push_back(make_body(wire::UnloadModelT{}));
  all.push_back(plan_model());
  return all;
}

std::string packed(const wire::BodyUnion& body) {
  const auto bytes = encode_control(body).value();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::vector<std::byte> from_hex(std::string_view digits) {
  std::vector<std::byte> bytes;
  int high = -1;
  for (const char c : digits) {
    const int value = digit(c);
    if (value < 0) continue;
    if (high < 0) {
      high = value;
    } else {
      bytes.push_back(static_cast<std::byte>(high * 16 + value));
      high = -1;
    }
  }
  return bytes;
}

std::string to_hex(std::span<const std::byte> bytes) {
  constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const auto value = std::to_integer<unsigned>(bytes[i]);
    text += digits[value >> 4];
    text += digits[value & 15];
    text += i % 16 == 15 || i + 1 == bytes.size() ? '\n' : ' ';
  }
  return text;
}

}  // namespace lamina::samples

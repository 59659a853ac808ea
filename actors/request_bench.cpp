// BenchCodec: what each quality does to a conversation's own activations. The
// exact rows of a bounded number of positions are gathered, then a meter
// measures one quality after the other; each Report has what is known so far.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <utility>

#include "actors/request.hpp"
#include "actors/rows.hpp"
#include "actors/spawn.hpp"

namespace lamina {
namespace {

using nlohmann::json;

struct measurement {
  quality kept = quality::lossless;
  bool with_book = false;
};

json to_json(const codec_rates& r, bool with_book) {
  json row = {
      {"quality", to_string(r.kept)},     {"code_book", with_book},
      {"payload_bits", r.payload_bits},   {"value_bits", r.value_bits},
      {"disk_bits", r.disk_bits},         {"error_mean", r.error_mean},
      {"error_p99", r.error_p99},         {"error_worst", r.error_worst},
      {"ordinary_mean", r.ordinary_mean}, {"largest_mean", r.largest_mean},
      {"encode_mb_s", r.encode_mb_s},     {"decode_mb_s", r.decode_mb_s}};
  if (r.top1 >= 0) {
    row["lens_top1"] = r.top1;
    row["lens_top10"] = r.top10;
  }
  return row;
}

struct bench_request_state {
  using pointer = request_actor::stateful_pointer<bench_request_state>;
  explicit bench_request_state(pointer actor) : self(actor) {}
  ~bench_request_state() {
    if (measuring)
      caf::anon_send_exit(measuring, caf::exit_reason::user_shutdown);
  }

  void run();
  void shown(const conversation_shown& found);
  void load();
  void begin_measuring();
  void measure();
  void take(const codec_rates& rates);
  json document() const;
  void stop(const error& e) { send_error(self, ctx, e); }

  static inline const char* name = "request_bench";
  pointer self;
  request_context ctx;
  const wire::BenchCodecT* ask = nullptr;
  conversation_record record;
  std::vector<chunk_record> chunks;
  model_ptr model;  // of the lens; null: not loaded
  position_t begin = 0;
  position_t end = 0;
  position_t next = 0;  // to be loaded
  codec_sample sample;
  std::shared_ptr<const codec_sample> gathered;
  codebook_ptr book;
  std::vector<measurement> left;  // last first
  json rows = json::array();
  rows_actor rows_source;
  meter_actor measuring;
};

void bench_request_state::run() {
  ask = ctx.body->AsBenchCodec();
  auto id = read_conversation(ask->conversation);
  if (!id) return stop(id.error());
  self->request(ctx.view->catalog, caf::infinite,
                show_conversation{ctx.who, id.value()})
      .then(
          [this](const show_result& found) {
            if (!found) return stop(found.error());
            shown(*found.value());
          },
          unavailable(self, ctx, "catalog"));
}

void bench_request_state::shown(const conversation_shown& found) {
  record = found.record;
  chunks = found.chunks;
  begin = next = ask->position_begin;
  end = ask->position_end == 0 ? record.positions
                               : std::min(ask->position_end, record.positions);
  if (begin >= end)
    return stop({error_code::out_of_range,
                 "the conversation has no positions from " +
                     std::to_string(begin) + " to " +
                     std::to_string(ask->position_end) + ": it has " +
                     std::to_string(record.positions)});
  const std::uint64_t position_bytes =
      record.shape.slots() * record.shape.row_bytes();
  const std::uint64_t fit = std::max<std::uint64_t>(
      chunk_positions, limits::bench_bytes_max / position_bytes);
  end = static_cast<position_t>(std::min<std::uint64_t>(
      end, begin + std::min<std::uint64_t>(fit, limits::bench_positions_max)));
  if (auto hosted = ctx.view->models.find(record.model);
      hosted != ctx.view->models.end() && hosted->second.model &&
      root_of(hosted->second.model->origin()) == record.root)
    model = hosted->second.model;
  book = ctx.view->books->of(record.root);
  rows_source = rows_actor(self->spawn<caf::linked>(lamina::rows, ctx.view));
  load();
}

/// Chunk by chunk; a chunk that is cut counts from its first row.
void bench_request_state::load() {
  if (next >= end) return begin_measuring();
  const auto index = chunk_of(next);
  const std::uint32_t row_end =
      std::min(chunk_positions, end - first_position(index));
  auto wanted = load_rows::of(record, chunks[index].name, index, 0, row_end);
  wanted.slots.resize(record.shape.layers);
  std::iota(wanted.slots.begin(), wanted.slots.end(), 1u);
  wanted.position_end = end;
  wanted.exact = true;
  self->request(rows_source, caf::infinite, std::move(wanted))
      .then(
          [this, index](const result<rows_loaded>& loaded) {
            if (!loaded) return stop(loaded.error());
            if (loaded.value().relative_error != 0)
              return stop({error_code::not_found,
                           "the exact activations of chunk " +
                               std::to_string(index) +
                               " are not kept, and the model '" + record.model +
                               "' cannot compute them"});
            sample.chunks.push_back(as_chunk(*loaded.value().rows));
            next = first_position(index + 1);
            load();
          },
          unavailable(self, ctx, "rows actor"));
}

void bench_request_state::begin_measuring() {
  gathered = std::make_shared<const codec_sample>(std::move(sample));
  for (const bool with_book : {true, false})
    for (const quality kept :
         {quality::small, quality::balanced, quality::high})
      if (book || !with_book) left.push_back({kept, with_book});
  left.push_back({quality::lossless, false});
  measuring = spawn_meter(self->system());
  measure();
}

void bench_request_state::measure() {
  const auto& m = left.back();
  self->request(
          measuring, caf::infinite,
          measure_codec{gathered, m.kept, m.with_book ? book : nullptr, model})
      .then(
          [this](const codec_measured& measured) {
            if (!measured) return stop(measured.error());
            take(measured.value());
          },
          unavailable(self, ctx, "meter"));
}

void bench_request_state::take(const codec_rates& rates) {
  rows.push_back(to_json(rates, left.back().with_book));
  left.pop_back();
  wire::ReportT report;
  report.json = document().dump();
  if (left.empty())
    return send_terminal(self, ctx, make_body(std::move(report)));
  send_response(self, ctx, frame_kind::response, make_body(std::move(report)),
                {}, [this] { measure(); });
}

json bench_request_state::document() const {
  return {{"conversation", conversation_text(record.id)},
          {"model", record.model},
          {"layers", record.shape.layers},
          {"width", record.shape.width},
          {"dtype", to_string(record.shape.element)},
          {"position_begin", first_position(chunk_of(begin))},
          {"position_end", end},
          {"lens", model != nullptr},
          {"code_book", book ? json(std::to_string(book->id())) : json()},
          {"rows", rows}};
}

}  // namespace

request_actor spawn_bench_request(caf::actor_system& sys, request_context ctx) {
  return spawn_request_of<bench_request_state>(sys, std::move(ctx));
}

}  // namespace lamina

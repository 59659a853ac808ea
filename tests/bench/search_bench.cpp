// How fast a layer of stored history is searched, against how fast the codec
// opens that layer of values which are already in memory. Synthetic residuals
// as in codec_bench; bytes are the raw bytes of the rows of the asked layer.
//
//   open    check and decode_rows, values in memory: what cannot be avoided
//   score   the kernel alone, rows in memory
//   search  the search actor on its own thread, in slices, from a store whose
//           pages the operating system has cached; positions and chunks as a
//           request sends them
//
// Rates are of processor time, of all threads together. `of_open` is search's
// rate as a share of open's.
#include <benchmark/benchmark.h>

#include <caf/all.hpp>
#include <cmath>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <map>
#include <random>

#include "actors/search/stored_scores.hpp"
#include "actors/spawn.hpp"
#include "protocol/floats.hpp"

namespace lamina {
namespace {

constexpr std::uint32_t seed = 7;
constexpr std::uint32_t layer = 1;
constexpr std::uint64_t history_bytes = 96u << 20;  // raw, of all layers

raw_chunk_ptr residual_like_chunk(capture_shape shape, std::uint32_t which) {
  auto chunk = std::make_shared<raw_chunk>(shape, 0);
  std::mt19937 random(seed + which);
  std::normal_distribution<float> normal;
  std::vector<float> channel_scale(shape.width);
  for (float& scale : channel_scale)
    scale = std::exp(0.5f * normal(random));
  for (std::uint32_t row = 0; row < chunk_positions; ++row) {
    std::vector<float> residual(shape.width);
    for (std::uint32_t slot = 0; slot < shape.slots(); ++slot)
      for (std::uint32_t c = 0; c < shape.width; ++c) {
        residual[c] +=
            (slot == 0 ? 1.0f : 0.4f) * channel_scale[c] * normal(random);
        const std::uint16_t bits = bfloat16_of(residual[c]);
        std::memcpy(chunk->row(slot, row).data() + 2 * std::size_t{c}, &bits,
                    sizeof bits);
      }
  }
  return chunk;
}

digest name_of(std::uint32_t chunk) {
  return digest_builder().add(std::uint64_t{chunk}).finish();
}

/// A store with one conversation; each chunk has the value of the asked layer.
class history {
 public:
  explicit history(capture_shape of) : shape(of) {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "search-bench-XXXXXX")
            .string();
    directory_ = mkdtemp(pattern.data());
    environment = store::open({.directory = directory_, .sync = false}).value();
    write();
  }
  ~history() {
    environment.reset();
    std::filesystem::remove_all(directory_);
  }
  history(const history&) = delete;
  history& operator=(const history&) = delete;

  std::uint64_t layer_bytes() const {
    return values.size() * chunk_positions * shape.row_bytes();
  }

  capture_shape shape;
  std::shared_ptr<store> environment;
  std::vector<stored_value_ptr> values;

 private:
  void write() {
    constexpr std::uint32_t different = 8;
    std::vector<raw_chunk_ptr> chunks;
    for (std::uint32_t i = 0; i < different; ++i)
      chunks.push_back(residual_like_chunk(shape, i));
    conversation_record record;
    record.id = 1;
    record.shape = shape;
    std::vector<write_op> ops{put_conversation{record}};
    const auto count = history_bytes / chunks[0]->bytes();
    for (std::uint32_t c = 0; c < count; ++c) {
      const auto key = key_of_layer(name_of(c), site::resid_post, layer, shape);
      values.push_back(std::make_shared<const stored_value>(encode(
          key, *chunks[c % different], chunk_positions, quality::lossless)));
      chunk_record of;
      of.name = key.chunk;
      of.full = true;
      of.tokens.resize(chunk_positions);
      ops.push_back(put_chunk{record.id, c, of, {values.back()}, nullptr});
    }
    if (!environment->commit(ops)) std::abort();
  }

  std::string directory_;
};

const history& history_of(const benchmark::State& state) {
  static std::map<std::int64_t, std::unique_ptr<history>> made;
  auto& one = made[state.range(1)];
  if (!one)
    one = std::make_unique<history>(capture_shape{
        static_cast<std::uint32_t>(state.range(0)),
        static_cast<std::uint32_t>(state.range(1)), dtype::bfloat16});
  return *one;
}

void set_rate(benchmark::State& state, std::uint64_t bytes_each) {
  state.SetBytesProcessed(state.iterations() *
                          static_cast<std::int64_t>(bytes_each));
}

/// Of all threads: a search's messages cost, too. Neighbours and priorities do
/// not count.
double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) +
         static_cast<double>(now.tv_nsec) * 1e-9;
}

void open_all(const history& of, std::vector<std::byte>& rows) {
  for (const auto& value : of.values) {
    const auto header = check(value->key, value->bytes).value();
    benchmark::DoNotOptimize(
        decode_rows(header, value->bytes, layer, 0, chunk_positions, rows));
  }
}

void open_bench(benchmark::State& state) {
  const auto& of = history_of(state);
  std::vector<std::byte> rows(chunk_positions * of.shape.row_bytes());
  for (auto _ : state) {
    const auto begin = cpu_seconds();
    open_all(of, rows);
    state.SetIterationTime(cpu_seconds() - begin);
  }
  set_rate(state, of.layer_bytes());
}

scorer any_query(std::uint32_t width) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> query(width);
  for (float& v : query)
    v = normal(random);
  return scorer::make(std::move(query), similarity::cosine).value();
}

void score_bench(benchmark::State& state) {
  const auto& of = history_of(state);
  const auto chunk = residual_like_chunk(of.shape, 0);
  const auto query = any_query(of.shape.width);
  std::vector<float> scores(chunk_positions);
  for (auto _ : state)
    query.score(chunk->rows(1), of.shape.element, scores);
  set_rate(state, chunk->rows(1).size());
  state.SetLabel(scoring_target());
}

void search_bench(benchmark::State& state) {
  const auto& of = history_of(state);
  set_spawn_policy({.detach = true});
  caf::actor_system_config config;
  caf::actor_system sys(config);
  system_options options;
  options.environment = of.environment;
  auto searching = spawn_search(sys, options);
  caf::scoped_actor self(sys);
  auto query = std::make_shared<search_query>();
  query->ranking = any_query(of.shape.width);
  query->layer = layer;
  query->top = 20;
  auto chunks = std::make_shared<std::vector<chunk_rows>>();
  for (std::uint32_t c = 0; c < of.values.size(); ++c)
    chunks->push_back({name_of(c), of.shape, c, 0xffff, 0});
  std::uint64_t positions = 0;
  const auto search_all = [&] {
    for (std::size_t begin = 0; begin < chunks->size();)
      self->request(searching, caf::infinite,
                    score_chunks{query, chunks, begin})
          .receive(
              [&](const scoring_result& scored) {
                positions += scored.value().scored;
                begin = scored.value().end;
              },
              [](const caf::error&) { std::abort(); });
  };
  // The same run decides: machines drift.
  std::vector<std::byte> rows(chunk_positions * of.shape.row_bytes());
  double searched = 0;
  double opened = 0;
  for (auto _ : state) {
    const auto begin = cpu_seconds();
    search_all();
    const auto between = cpu_seconds();
    open_all(of, rows);
    searched += between - begin;
    opened += cpu_seconds() - between;
    state.SetIterationTime(between - begin);
  }
  self->send_exit(searching, caf::exit_reason::user_shutdown);
  set_rate(state, of.layer_bytes());
  state.counters["positions"] = benchmark::Counter(
      static_cast<double>(positions), benchmark::Counter::kIsRate);
  state.counters["of_open"] = opened / searched;
}

void shapes(benchmark::internal::Benchmark* bench) {
  bench->Args({8, 192})->Args({12, 768})->Args({32, 4096});
}

BENCHMARK(open_bench)->Apply(shapes)->UseManualTime();
BENCHMARK(score_bench)->Apply(shapes);
BENCHMARK(search_bench)->Apply(shapes)->UseManualTime();

}  // namespace
}  // namespace lamina

BENCHMARK_MAIN();

// What each quality keeps, costs and takes: bits per value, errors, encode and
// decode rates, and how often the logit lens still says the same.
//
//   codec_bench [--activations FILE] [--learn FILE] [--model DIRECTORY]
//               [--only NAME]
//
// FILE is what `lamina activations` saved, all layers of resid_post in
// bfloat16; by default the golden of the demo model. With --learn, a code book
// is learned from another such file, and all is measured again. DIRECTORY is
// the model that made it (llama, tied embeddings), for the lens; by default
// models/demo. NAME: activations, 12x768, 32x4096 or 80x8192.
//
// The synthetic shapes are random walks over the layers: channels that differ
// in size (log-normal), a few outlier channels, and a first token with massive
// activations. They are for speed and for extremes; their bits say little about
// a trained model's. Times are of one thread's processor time, the best of
// several rounds, because machines drift.
#include <time.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "actors/codec/codec.hpp"
#include "actors/codec/rans.hpp"
#include "actors/codec/value_format.hpp"
#include "tests/bench/residual_rows.hpp"
#include "tests/bench/safetensors_rows.hpp"
#include "tests/bench/samples.hpp"

namespace lamina::bench {
namespace {

constexpr std::uint32_t seed = 7;
constexpr quality qualities[] = {quality::lossless, quality::high,
                                 quality::balanced, quality::small};

double processor_seconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) +
         1e-9 * static_cast<double>(now.tv_nsec);
}

/// Seconds of the best of the calls that fit into a good second.
double best_seconds(const std::function<void()>& call) {
  double best = 1e9;
  double spent = 0;
  for (int round = 0; round < 5 || (spent < 1.0 && round < 400); ++round) {
    const double begin = processor_seconds();
    call();
    const double taken = processor_seconds() - begin;
    best = std::min(best, taken);
    spent += taken;
  }
  return best;
}

raw_chunk_ptr residual_like_chunk(capture_shape shape) {
  auto chunk = std::make_shared<raw_chunk>(shape, 0);
  residual_walk walk(shape.slots(), shape.width, seed);
  for (std::uint32_t row = 0; row < chunk_positions; ++row)
    walk.position(
        row == 0, [&](std::uint32_t slot, std::span<const std::byte> from) {
          std::copy(from.begin(), from.end(), chunk->row(slot, row).begin());
        });
  return chunk;
}

std::vector<float> widened(const raw_chunk& chunk, std::uint32_t layer,
                           std::uint32_t row) {
  std::vector<float> x(chunk.shape().width);
  widen_row(chunk.row(1 + layer, row), chunk.shape().element, x);
  return x;
}

/// Errors of rows against what they were: relative, per row.
struct measured_errors {
  std::vector<double> row, ordinary, largest;

  void add(std::span<const float> x, std::span<const float> y) {
    double mean = 0;
    for (const float v : x)
      mean += std::abs(v) / static_cast<double>(x.size());
    double error[2] = {}, size[2] = {};
    for (std::size_t i = 0; i < x.size(); ++i) {
      const int large = std::abs(x[i]) > ordinary_factor * mean ? 1 : 0;
      error[large] += std::pow(double{x[i]} - y[i], 2);
      size[large] += std::pow(double{x[i]}, 2);
    }
    row.push_back(std::sqrt((error[0] + error[1]) / (size[0] + size[1])));
    ordinary.push_back(std::sqrt(error[0] / size[0]));
    if (size[1] > 0) largest.push_back(std::sqrt(error[1] / size[1]));
  }
};

double mean_of(const std::vector<double>& samples) {
  double sum = 0;
  for (const double s : samples)
    sum += s / static_cast<double>(samples.size());
  return sum;
}

/// The stored values of resid_post.
std::vector<stored_value> encode_residuals(const raw_chunk& chunk, quality q,
                                           const codebook* book) {
  std::vector<stored_value> values;
  for (const value_key& key : value_keys({}, site::resid_post, chunk.shape()))
    values.push_back(encode(key, chunk, chunk_positions, q, book));
  return values;
}

/// One position, all layers: what a click on raw activations decodes.
void decode_position(const std::vector<stored_value>& values,
                     const capture_shape& shape, std::span<std::byte> out,
                     const codebook* book) {
  for (const stored_value& value : values) {
    stored_header header;
    header.key = value.key;
    header.shape = shape;
    header.rows = value.rows;
    header.book = book == nullptr ? 0 : book->id();
    header.layers =
        std::min(layers_per_value(shape), shape.layers - value.key.first_layer);
    const std::uint32_t first = value.key.first_layer;
    const auto part = out.subspan(first * shape.row_bytes(),
                                  header.layers * shape.row_bytes());
    if (!decode_part(header, value.bytes, {first, first + header.layers, 7, 8},
                     part, book))
      std::abort();
  }
}

/// Bytes of a stream's parts that do not grow with its rows' width.
std::size_t overhead_bytes(const capture_shape& shape, quality q) {
  std::size_t bytes = 0;
  for (std::uint32_t l = 0; l < shape.layers; l += key_interval)
    bytes += 1 + 4 * rans_lanes(shape.width);
  bytes += shape.layers * (q == quality::lossless ? 2 : 3);
  return bytes * chunk_positions;
}

void report(const std::string& name, const std::vector<raw_chunk_ptr>& chunks,
            const demo_lens* lens, const codebook* given) {
  const capture_shape shape = chunks.front()->shape();
  const double values_per_chunk =
      double{chunk_positions} * shape.layers * shape.width;
  std::printf("\n%s: %u layers x %u, %zu positions\n\n", name.c_str(),
              shape.layers, shape.width, chunks.size() * chunk_positions);
  std::printf(
      "| quality | payload | all bits | on disk | error mean | p99 | worst | "
      "ordinary | largest | encode MB/s | decode MB/s | row, all layers us | "
      "last layer of group, 16 rows us |%s\n",
      lens != nullptr ? " top-1 | top-10 |" : "");
  for (const quality q : qualities) {
    const codebook* book = is_lossy(q) ? given : nullptr;
    double bytes = 0, disk = 0;
    measured_errors errors;
    lens_agreement agreement;
    for (const raw_chunk_ptr& chunk : chunks) {
      std::vector<stored_value_ptr> values;
      for (auto& value : encode_residuals(*chunk, q, book)) {
        bytes += static_cast<double>(value.bytes.size());
        // LMDB: whole pages of 4096, the first of which begins with 16 bytes
        disk +=
            4096 *
            std::ceil((static_cast<double>(value.bytes.size()) + 20) / 4096);
        values.push_back(std::make_shared<stored_value>(std::move(value)));
      }
      const auto back = decode_slots({}, shape, 0, values, book);
      if (!back) {
        std::fprintf(stderr, "%s\n", back.error().context.c_str());
        std::exit(1);
      }
      for (std::uint32_t row = 0; row < chunk_positions; ++row)
        for (std::uint32_t layer = 0; layer < shape.layers; ++layer) {
          const auto x = widened(*chunk, layer, row);
          const auto y = widened(*back.value(), layer, row);
          errors.add(x, y);
          if (lens != nullptr) agreement.add(*lens, x, y);
        }
    }
    const double values = values_per_chunk * static_cast<double>(chunks.size());
    const double overhead =
        static_cast<double>(overhead_bytes(shape, q) * chunks.size());
    const raw_chunk& chunk = *chunks[chunks.size() / 2];
    const auto sample = encode_residuals(chunk, q, book);
    const double raw_bytes = 2 * values_per_chunk;
    const double encode_s =
        best_seconds([&] { (void)encode_residuals(chunk, q, book); });
    std::vector<std::byte> all(static_cast<std::size_t>(raw_bytes));
    const double decode_s = best_seconds([&] {
      for (const auto& v : sample) {
        const auto header = check(v.key, v.bytes);
        const std::uint32_t first = v.key.first_layer;
        (void)decode_part(
            header.value(), v.bytes,
            {first, first + header.value().layers, 0, chunk_positions},
            std::span(all).first(header.value().layers * chunk_positions *
                                 shape.row_bytes()),
            book);
      }
    });
    std::vector<std::byte> position(shape.layers * shape.row_bytes());
    const double row_s =
        best_seconds([&] { decode_position(sample, shape, position, book); });
    std::vector<std::byte> layer(chunk_positions * shape.row_bytes());
    const double layer_s = best_seconds([&] {
      const auto header = check(sample[0].key, sample[0].bytes);
      (void)decode_rows(header.value(), sample[0].bytes,
                        std::min(key_interval, shape.layers) - 1, 0,
                        chunk_positions, layer, book);
    });
    std::printf(
        "| %s | %.2f | %.2f | %.2f | %.4f | %.4f | %.4f | %.4f | %.4f | %.0f | "
        "%.0f | %.0f | %.0f |",
        std::string(to_string(q)).c_str(),
        8 * (bytes - overhead) / values -
            8.0 * static_cast<double>(chunks.size()) *
                (80.0 + 72 * std::ceil(shape.layers / 8.0)) / values,
        8 * bytes / values, 8 * disk / values, mean_of(errors.row),
        percentile(errors.row, 0.99), percentile(errors.row, 1.0),
        mean_of(errors.ordinary), mean_of(errors.largest),
        raw_bytes / encode_s / 1e6, raw_bytes / decode_s / 1e6, row_s * 1e6,
        layer_s * 1e6);
    if (lens != nullptr)
      std::printf(" %.3f | %.3f |", agreement.top1(), agreement.top10());
    std::printf("\n");
    std::fflush(stdout);
  }
}

}  // namespace
}  // namespace lamina::bench

int main(int argc, char** argv) {
  using namespace lamina;
  using namespace lamina::bench;
  std::string activations =
      LAMINA_SOURCE_DIR "/tests/goldens/activations/demo.safetensors";
  std::string model = LAMINA_SOURCE_DIR "/models/demo";
  std::string learn;
  std::string only;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string option = argv[i];
    if (option == "--activations") activations = argv[i + 1];
    if (option == "--model") model = argv[i + 1];
    if (option == "--learn") learn = argv[i + 1];
    if (option == "--only") only = argv[i + 1];
  }
  if (only.empty() || only == "activations") {
    const demo_lens lens(model + "/model.safetensors");
    report("activations", load_residuals(activations), &lens, nullptr);
    if (!learn.empty()) {
      codebook_learner learner(load_residuals(learn).front()->shape());
      for (const raw_chunk_ptr& chunk : load_residuals(learn))
        learner.add({chunk, 0, chunk_positions});
      const codebook book = learner.finish();
      report("activations, code book learned from other text",
             load_residuals(activations), &lens, &book);
    }
  }
  for (const auto& [layers, width] :
       {std::pair{12u, 768u}, {32u, 4096u}, {80u, 8192u}}) {
    const std::string name =
        std::to_string(layers) + "x" + std::to_string(width);
    if (only.empty() || only == name)
      report(name, {residual_like_chunk({layers, width, dtype::bfloat16})},
             nullptr, nullptr);
  }
}

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
#include <cstdio>
#include <functional>
#include <numeric>
#include <string>
#include <vector>

#include "actors/measure/codec_rates.hpp"
#include "tests/bench/residual_like.hpp"
#include "tests/bench/safetensors_rows.hpp"

namespace lamina::bench {
namespace {

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

/// One position, all layers: what a click on raw activations decodes.
double position_seconds(const std::vector<stored_value_ptr>& values,
                        const capture_shape& shape, const book_shelf& books) {
  std::vector<std::uint32_t> slots(shape.layers);
  std::iota(slots.begin(), slots.end(), 1u);
  row_block block(shape, 0, slots, 7, 8);
  return best_seconds([&] {
    if (!decode_into(values, books, block)) std::abort();
  });
}

/// The layer farthest from its key layer, all positions, with the check.
double layer_seconds(const stored_value& value, const capture_shape& shape,
                     const codebook* book) {
  std::vector<std::byte> rows(chunk_positions * shape.row_bytes());
  return best_seconds([&] {
    const auto header = check(value.key, value.bytes);
    (void)decode_rows(header.value(), value.bytes,
                      std::min(key_interval, shape.layers) - 1, 0,
                      chunk_positions, rows, book);
  });
}

void report(const std::string& name, const std::vector<raw_chunk_ptr>& chunks,
            const demo_lens* lens, const codebook* given) {
  const capture_shape shape = chunks.front()->shape();
  std::printf("\n%s: %u layers x %u, %zu positions\n\n", name.c_str(),
              shape.layers, shape.width, chunks.size() * chunk_positions);
  std::printf(
      "| quality | payload | all bits | on disk | error mean | p99 | worst | "
      "ordinary | largest | encode MB/s | decode MB/s | row, all layers us | "
      "last layer of group, 16 rows us |%s\n",
      lens != nullptr ? " top-1 | top-10 |" : "");
  codec_sample sample;
  for (const auto& chunk : chunks)
    sample.chunks.push_back({chunk, 0, chunk_positions});
  top_tokens top;
  if (lens != nullptr)
    top = [lens](std::span<const float> row) { return lens->top(row); };
  for (const quality q : qualities) {
    const codebook* book = is_lossy(q) ? given : nullptr;
    const auto measured = measure_rates(sample, q, book, top);
    if (!measured) {
      std::fprintf(stderr, "%s\n", measured.error().context.c_str());
      std::exit(1);
    }
    const codec_rates& r = measured.value();
    book_shelf_ptr books = std::make_shared<const book_shelf>();
    if (book != nullptr)
      books = books->with({}, std::make_shared<const codebook>(*book));
    std::vector<stored_value_ptr> values;
    for (const value_key& key : value_keys({}, site::resid_post, shape))
      values.push_back(std::make_shared<const stored_value>(
          encode(key, *chunks[chunks.size() / 2], chunk_positions, q, book)));
    std::printf(
        "| %s | %.2f | %.2f | %.2f | %.4f | %.4f | %.4f | %.4f | %.4f | %.0f | "
        "%.0f | %.0f | %.0f |",
        std::string(to_string(q)).c_str(), r.payload_bits, r.value_bits,
        r.disk_bits, r.error_mean, r.error_p99, r.error_worst, r.ordinary_mean,
        r.largest_mean, r.encode_mb_s, r.decode_mb_s,
        position_seconds(values, shape, *books) * 1e6,
        layer_seconds(*values[0], shape, book) * 1e6);
    if (lens != nullptr) std::printf(" %.3f | %.3f |", r.top1, r.top10);
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

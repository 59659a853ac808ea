// How long a click on raw activations takes inside the daemon, at the shapes of
// large models: the whole actor system on its own threads, a store of synthetic
// rows (those of codec_bench), and a client without a socket.
//
//   read_bench [--only SHAPE] [--directory DIRECTORY]
//
// SHAPE: 12x768, 32x4096 or 80x8192. The store lies in DIRECTORY, by default
// where temporary files do: "cold" says something only of a real disk. One
// position, all layers of resid_post; then with the 15 before it, which is a
// whole chunk. Milliseconds from the frame that asks to the last frame of the
// answer, checked and copied as a client does.
//
//   memory  the same position again and again
//   warm    a chunk that nobody has read, its pages in the operating system's
//           cache
//   cold    the same after the file's pages were dropped from that cache
//
// Prefetch is off, so that no click warms another's chunk.
#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <string>

#include "client/cli/samples.hpp"
#include "protocol/id_text.hpp"
#include "tests/bench/residual_like.hpp"
#include "tests/unit/actors/peer.hpp"

namespace lamina::bench {
namespace {

constexpr std::uint32_t uid = 1000;
constexpr conversation_id conversation = 1;
using clock_type = std::chrono::steady_clock;

digest name_of(std::uint32_t chunk) {
  return digest_builder().add(std::uint64_t{chunk}).finish();
}

void check(const result<commit_report>& report) {
  if (report) return;
  std::fprintf(stderr, "read_bench: %s\n", to_string(report.error()).c_str());
  std::exit(1);
}

class history {
 public:
  history(const std::string& parent, capture_shape shape, quality kept,
          std::uint32_t chunks)
      : shape_(shape), chunks_(chunks) {
    std::string pattern = parent + "/read-bench-XXXXXX";
    directory_ = mkdtemp(pattern.data());
    auto environment = open();
    conversation_record record;
    record.id = conversation;
    record.owner_uid = uid;
    record.model = "synthetic";
    record.shape = shape;
    record.turns = 1;
    record.positions = chunks * chunk_positions;
    check(environment->commit(std::vector<write_op>{put_conversation{record}}));
    const auto rows = residual_like_chunk(shape);
    for (std::uint32_t i = 0; i < chunks; ++i) {
      chunk_record of;
      of.name = name_of(i);
      of.full = true;
      of.resid_post = presence::present;
      of.tokens.assign(chunk_positions, token_record{1, role::user, 0, "t"});
      put_chunk put{conversation, i, of, {}, nullptr};
      for (const auto& key : value_keys(of.name, site::resid_post, shape))
        put.values.push_back(std::make_shared<const stored_value>(
            encode(key, *rows, chunk_positions, kept)));
      check(environment->commit(std::vector<write_op>{put}));
    }
  }
  ~history() { std::filesystem::remove_all(directory_); }
  history(const history&) = delete;
  history& operator=(const history&) = delete;

  std::shared_ptr<store> open() const {
    return store::open({.directory = directory_, .sync = false}).value();
  }

  /// Nobody may have the store open: mapped pages stay.
  void drop_pages() const {
    const int file = ::open((directory_ + "/data.mdb").c_str(), O_RDONLY);
    ::fdatasync(file);
    ::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
    ::close(file);
  }

  const capture_shape& shape() const { return shape_; }
  std::uint32_t chunks() const { return chunks_; }

 private:
  capture_shape shape_;
  std::uint32_t chunks_;
  std::string directory_;
};

/// A daemon without models, and one client.
class daemon {
 public:
  explicit daemon(const history& of) : sys_(config_) {
    set_spawn_policy({.detach = true});
    system_options options;
    options.environment = of.open();
    options.prefetch.enabled = false;
    options.decoders = 2;
    options.memory_bytes_max = std::uint64_t{4} << 30;
    top_ = spawn_supervisor(sys_, options);
    client_->connect(sys_, top_, uid);
  }
  ~daemon() {
    client_->disconnect();
    caf::scoped_actor self(sys_);
    self->request(top_, caf::infinite, drain_system{1000})
        .receive([](const acknowledgement&) {}, [](const caf::error&) {});
    top_ = nullptr;
  }

  /// Milliseconds of one GetActivations.
  double click(position_t begin, position_t end) {
    wire::GetActivationsT ask;
    ask.conversation = conversation_text(conversation);
    ask.position_begin = begin;
    ask.position_end = end;
    const auto from = clock_type::now();
    const auto answer = client_->ask(make_body(std::move(ask)));
    const std::chrono::duration<double, std::milli> taken =
        clock_type::now() - from;
    if (const auto* e = answer.last<wire::ErrorT>()) {
      std::fprintf(stderr, "read_bench: %s\n", e->message.c_str());
      std::exit(1);
    }
    return taken.count();
  }

 private:
  caf::actor_system_config config_;
  caf::actor_system sys_;
  supervisor_actor top_;
  std::shared_ptr<peer> client_ = std::make_shared<peer>();
};

struct times {
  std::vector<double> one, sixteen;
};

times click_each(const history& of) {
  times t;
  daemon d(of);
  (void)d.click(0, 1);  // the catalog reads the conversation
  for (std::uint32_t i = 1; i < of.chunks(); ++i) {
    const auto first = first_position(i);
    if (i % 2 == 0)
      t.one.push_back(d.click(first + 7, first + 8));
    else
      t.sixteen.push_back(d.click(first, first + chunk_positions));
  }
  return t;
}

times click_again(const history& of) {
  times t;
  daemon d(of);
  (void)d.click(0, chunk_positions);
  for (int i = 0; i < 60; ++i) {
    t.one.push_back(d.click(7, 8));
    if (i % 3 == 0) t.sixteen.push_back(d.click(0, chunk_positions));
  }
  return t;
}

void print(const char* from, const times& t) {
  std::printf("| %s | %.2f | %.2f | %.1f | %.1f |\n", from, median(t.one),
              percentile(t.one, 0.99), median(t.sixteen),
              percentile(t.sixteen, 0.99));
  std::fflush(stdout);
}

void run(const std::string& parent, capture_shape shape, std::uint32_t chunks) {
  for (const quality kept : {quality::balanced, quality::lossless}) {
    std::printf("\n%u x %u, %s\n\n", shape.layers, shape.width,
                std::string(to_string(kept)).c_str());
    std::printf("| from | one p50 | p99 | sixteen p50 | p99 |\n");
    const history of(parent, shape, kept, chunks);
    print("memory", click_again(of));
    print("warm", click_each(of));
    of.drop_pages();
    print("cold", click_each(of));
  }
}

}  // namespace
}  // namespace lamina::bench

int main(int argc, char** argv) {
  using namespace lamina;
  std::string only;
  std::string parent = std::filesystem::temp_directory_path().string();
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::string(argv[i]) == "--only") only = argv[i + 1];
    if (std::string(argv[i]) == "--directory") parent = argv[i + 1];
  }
  const auto wanted = [&](const char* name) {
    return only.empty() || only == name;
  };
  if (wanted("12x768")) bench::run(parent, {12, 768, dtype::bfloat16}, 64);
  if (wanted("32x4096")) bench::run(parent, {32, 4096, dtype::bfloat16}, 40);
  if (wanted("80x8192")) bench::run(parent, {80, 8192, dtype::bfloat16}, 24);
}

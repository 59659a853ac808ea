// Fills the disk budget many times over: conversations of several models, some
// pinned for a while, forks, deletions, eviction by the daemon's own policy,
// and two readers at work all the time.
//
//     crash_soak [BUDGET_MB [TIMES [SEED]]] [--long-reader]
//
// Holds throughout: the file stays within its bound. At the end: every value
// decodes, nothing needs repair, the accounts add up to the byte. Reports how
// fast the last tenth was written, compared with the first.
//
// --long-reader: a reader of another program (crash_long_reader, from beside
// this program) holds a snapshot over the second tenth. The store must say so;
// the file may then grow by what was written meanwhile, and grows no further
// once the reader has gone.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <deque>
#include <filesystem>
#include <iostream>
#include <random>
#include <string>
#include <thread>

#include "actors/cache/retention.hpp"
#include "actors/codec/codec.hpp"
#include "actors/codec/value_format.hpp"
#include "tests/crash/verify_store.hpp"
#include "tests/unit/codec/sample_chunk.hpp"
#include "tests/unit/store/store_fixture.hpp"

namespace lamina {
namespace {

using steady = std::chrono::steady_clock;

// Some of the largest transactions: what they free is used again two later.
constexpr std::uint64_t slack_bytes = 48u << 20;

struct soak_options {
  std::uint64_t budget_bytes = 24u << 20;
  std::uint64_t times = 10;
  std::uint32_t seed = 1;
  bool long_reader = false;
  std::filesystem::path programs;
};

[[noreturn]] void give_up(const std::string& why) {
  std::cerr << "soak: " << why << '\n';
  std::exit(1);
}

template <class T>
T must(result<T> r, const char* doing) {
  if (r.has_error()) give_up(std::string(doing) + ": " + to_string(r.error()));
  return std::move(r).value();
}

/// Encoded once; each chunk gets a copy under its own name.
struct sample_model {
  capture_shape shape;
  std::vector<stored_value_ptr> values;  // a full chunk's
};

sample_model make_model(capture_shape shape, quality kept) {
  return {shape,
          encode_chunk(name(0), *walk_chunk(shape), chunk_positions, kept)};
}

stored_value_ptr renamed(const stored_value& sample, const digest& chunk_name) {
  stored_value v = sample;
  v.key.chunk = chunk_name;
  std::memcpy(v.bytes.data() + 16, chunk_name.bytes.data(), 16);
  seal_value(v.key, v.bytes);
  return std::make_shared<const stored_value>(std::move(v));
}

class soak {
 public:
  soak(const soak_options& options, const std::filesystem::path& directory)
      : options_(options),
        directory_(directory),
        random_(options.seed),
        store_(must(store::open({directory, std::uint64_t{1} << 40, 126, true}),
                    "open")) {
    limits_.disk_bytes_max = options.budget_bytes;
    limits_.records_bytes_max = options.budget_bytes * 2;
  }

  void run() {
    std::jthread first([this] { read_on(); }), second([this] { read_on(); });
    for (int tenth = 0; tenth < 10; ++tenth) {
      const bool watched = options_.long_reader && tenth == 1;
      std::FILE* reader = watched ? begin_long_reader() : nullptr;
      write_a_tenth(reader != nullptr);
      if (reader != nullptr) end_long_reader(reader);
      if (tenth >= 1) growth_ok();
    }
    done_ = true;
  }

  void verify() {
    while (must(store_->sweep(64u << 20), "sweep").more) {
    }
    const auto sound = must(verify_store(*store_), "verify");
    std::cout << sound.values << " values of " << sound.chunks << " chunks ("
              << sound.evicted << " evicted) verify; accounts exact; " << reads_
              << " reads meanwhile\n";
    std::cout << "last tenth at " << speeds_.back() << " MB/s, first at "
              << speeds_.front() << " MB/s: ratio "
              << speeds_.back() / speeds_.front() << '\n';
  }

 private:
  std::uint32_t below(std::uint32_t n) { return random_() % n; }

  digest new_name() {
    digest d = name(9);
    const std::uint64_t n = ++names_;
    std::memcpy(d.bytes.data(), &n, sizeof n);
    return d;
  }

  void write_a_tenth(bool growing) {
    const auto began = steady::now();
    std::uint64_t written = 0;
    while (written < options_.budget_bytes * options_.times / 10) {
      written += write_conversation();
      retain();
      while (must(store_->sweep(64u << 20), "sweep").more) {
      }
      if (!growing) growth_ok();
    }
    const std::chrono::duration<double> took = steady::now() - began;
    speeds_.push_back(static_cast<double>(written) / 1e6 / took.count());
    const auto s = must(store_->statistics(), "statistics");
    std::cout << written / 1'000'000 << " MB at " << speeds_.back()
              << " MB/s; file " << s.file_bytes / 1'000'000 << " MB, used "
              << s.file.used_bytes() / 1'000'000 << " MB, " << s.conversations
              << " conversations" << std::endl;
  }

  std::uint64_t write_conversation() {
    const conversation_id id = ++newest_;
    const auto& model = models_[below(models_.size())];
    auto record = conversation(id);
    record.shape = model.shape;
    record.pinned = below(8) == 0;
    record.accessed_unix_ms = ++now_unix_ms_;
    std::vector<write_op> ops{put_conversation{record}};
    const std::uint32_t chunks = 1 + below(12);
    for (std::uint32_t i = 0; i < chunks; ++i) {
      chunk_record c = chunk(new_name(), chunk_positions, i);
      c.embed = c.resid_post = c.final_norm = presence::present;
      std::vector<stored_value_ptr> values;
      for (const auto& v : model.values)
        values.push_back(renamed(*v, c.name));
      ops.push_back(put_chunk{id, i, c, std::move(values), nullptr});
    }
    if (record.pinned) pinned_.push_back(record);
    change_others(ops, id, chunks);
    const auto report = must(store_->commit(ops), "commit");
    for (const auto& failed : report.failed)
      if (failed) give_up(to_string(*failed));
    return report.bytes_written;
  }

  /// Forks, unpins and deletes now and then.
  void change_others(std::vector<write_op>& ops, conversation_id source,
                     std::uint32_t chunks) {
    if (below(4) == 0) {
      auto fork = conversation(++newest_);
      fork.shape = std::get<put_conversation>(ops.front()).record.shape;
      fork.accessed_unix_ms = ++now_unix_ms_;
      fork.parent = source;
      fork.forked_at = 1 + below(chunks * chunk_positions);
      ops.push_back(fork_conversation{source, fork});
      if (below(2) == 0) ops.push_back(delete_conversation{source});
    }
    // Pinned ones hold a few per cent of the budget at most.
    if (pinned_.size() > 3) {
      auto oldest = pinned_.front();
      pinned_.pop_front();
      oldest.pinned = false;
      oldest.accessed_unix_ms = ++now_unix_ms_;
      ops.push_back(put_conversation{oldest});
    }
  }

  /// As the disk actor does it.
  void retain() {
    for (;;) {
      const auto counted = must(store_->statistics(), "statistics");
      ++now_unix_ms_;
      const auto asked = plan_eviction(limits_, counted.file.used_bytes(),
                                       now_unix_ms_, now_unix_ms_);
      if (!asked) return;
      if (!must(store_->evict(*asked), "evict").more) return;
    }
  }

  void growth_ok() {
    const auto s = must(store_->statistics(), "statistics");
    if (s.oldest_reader_lag > 1'000'000) give_up("a reader lingers");
    const std::uint64_t bound = std::max(
        options_.budget_bytes + options_.budget_bytes / 4 + slack_bytes,
        grown_by_ + slack_bytes);
    if (s.file_bytes > bound)
      give_up("the file has " + std::to_string(s.file_bytes) +
              " bytes; the budget is " + std::to_string(options_.budget_bytes));
  }

  std::FILE* begin_long_reader() {
    const std::string command =
        (options_.programs / "crash_long_reader").string() + " " +
        directory_.string() + " >/dev/null";
    std::FILE* reader = ::popen(command.c_str(), "w");
    if (reader == nullptr) give_up("cannot start crash_long_reader");
    // Seen by the store as soon as something newer is committed.
    while (must(store_->statistics(), "statistics").oldest_reader_lag == 0)
      write_conversation();
    return reader;
  }

  void end_long_reader(std::FILE* reader) {
    const auto held = must(store_->statistics(), "statistics");
    if (held.oldest_reader_lag == 0) give_up("the long reader is not seen");
    if (::pclose(reader) != 0) give_up("crash_long_reader failed");
    // Our own readers are a transaction behind now and then, and not for long.
    auto after = must(store_->statistics(), "statistics");
    for (int looks = 0; after.oldest_reader_lag != 0; ++looks) {
      if (looks == 10'000) give_up("a reader that ended is seen");
      std::this_thread::yield();
      after = must(store_->statistics(), "statistics");
    }
    grown_by_ = after.file_bytes;
    std::cout << "a foreign reader, " << held.oldest_reader_lag
              << " transactions behind, was seen; the file is now "
              << after.file_bytes / 1'000'000 << " MB\n";
  }

  /// Random values of random conversations, copied and checked.
  void read_on() {
    const auto reader = store_->reader();
    std::mt19937 random(7);
    while (!done_) {
      const auto all = reader->conversations();
      if (all.has_error()) give_up(to_string(all.error()));
      if (all.value().empty()) continue;
      const auto& c = all.value()[random() % all.value().size()];
      const auto chunks = reader->chunks(c.id);
      if (chunks.has_error() || chunks.value().empty()) continue;  // deleted
      const auto& one = chunks.value()[random() % chunks.value().size()];
      const auto keys = value_keys(one.name, site::resid_post, c.shape);
      const auto values = reader->values(keys);
      if (values.has_error()) give_up(to_string(values.error()));
      for (std::size_t i = 0; i < keys.size(); ++i)
        if (const auto& v = values.value()[i])
          if (check(keys[i], v->bytes).has_error()) give_up("a value is torn");
      reads_ += 1;
    }
  }

  soak_options options_;
  std::filesystem::path directory_;
  std::mt19937 random_;
  retention_limits limits_;
  const std::vector<sample_model> models_{
      make_model({2, 64, dtype::bfloat16}, quality::lossless),
      make_model({8, 256, dtype::bfloat16}, quality::balanced),
      make_model({12, 768, dtype::bfloat16}, quality::high),
      make_model({12, 768, dtype::float32}, quality::lossless)};
  std::shared_ptr<store> store_;
  std::deque<conversation_record> pinned_;
  conversation_id newest_ = 0;
  std::uint64_t names_ = 0;
  std::int64_t now_unix_ms_ = 1;
  std::vector<double> speeds_;
  std::uint64_t grown_by_ = 0;  // the file's size when the long reader left
  std::atomic<bool> done_ = false;
  std::atomic<std::uint64_t> reads_ = 0;
};

soak_options read_arguments(int argc, char** argv) {
  soak_options o;
  o.programs = std::filesystem::path(argv[0]).parent_path();
  int given = 0;
  for (int i = 1; i < argc; ++i) {
    const std::string text = argv[i];
    if (text == "--long-reader") {
      o.long_reader = true;
      continue;
    }
    const std::uint64_t number = std::strtoull(argv[i], nullptr, 10);
    if (given == 0) o.budget_bytes = number << 20;
    if (given == 1) o.times = number;
    if (given == 2) o.seed = static_cast<std::uint32_t>(number);
    ++given;
  }
  return o;
}

}  // namespace
}  // namespace lamina

int main(int argc, char** argv) {
  const lamina::temporary_directory directory;
  lamina::soak all(lamina::read_arguments(argc, argv), directory.path() / "s");
  all.run();
  all.verify();
  return 0;
}

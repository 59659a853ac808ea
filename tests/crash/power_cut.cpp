// Power cuts: what a disk holds after one is everything that was synced and a
// random part, sector by sector, of what was not.
//
//     crash_power_cut [ROUNDS [SEED]]
//
// Every fifth round a store in a directory of its own does real work: puts,
// forks, deletions, sweeps, evictions. The log of its writes is then cut at a
// random place, and the file that a disk would hold is built. It must open
// without damage or repair, and hold exactly what it held after the last step
// that was acknowledged before the cut, or after the step that was under way.
#include <fstream>
#include <iostream>
#include <memory>
#include <optional>
#include <random>
#include <string>

#include "actors/store/page_check.hpp"
#include "tests/crash/io_shim.hpp"
#include "tests/unit/store/store_fixture.hpp"

namespace lamina {
namespace {

using random_engine = std::mt19937;
using image = std::vector<std::byte>;

constexpr std::uint8_t name_count = 40;
constexpr int steps = 25;
constexpr int cuts_per_log = 5;

[[noreturn]] void give_up(const std::string& why) {
  std::cerr << "power_cut: " << why << '\n';
  std::exit(1);
}

template <class T>
T must(result<T> r, const char* doing) {
  if (r.has_error()) give_up(std::string(doing) + ": " + to_string(r.error()));
  return std::move(r).value();
}

// ---- the work --------------------------------------------------------------

std::vector<write_op> random_ops(random_engine& random, int step) {
  const auto below = [&random](std::uint32_t n) { return random() % n; };
  std::vector<write_op> ops;
  for (std::uint32_t n = 0; n <= below(3); ++n) {
    const conversation_id id = 1 + below(8);
    auto record = conversation(id);
    record.accessed_unix_ms = 1000 + step;
    record.pinned = below(6) == 0;
    ops.push_back(put_conversation{record});
    for (std::uint32_t index = 0; index < below(5); ++index) {
      const digest key = name(static_cast<std::uint8_t>(below(name_count)));
      auto c = chunk(key, 1 + below(16), static_cast<std::uint32_t>(step));
      c.resid_post = c.embed = presence::present;
      ops.push_back(put_chunk{
          id,
          index,
          c,
          {value(key, 1 + below(16), 1 + below(30'000)),
           value(key, 1 + below(16), 1 + below(500), site::embed)},
          below(2) == 0 ? lens(0, 1 + below(16), below(9)) : nullptr});
    }
  }
  if (below(4) == 0) ops.push_back(delete_conversation{1 + below(8)});
  auto fork = conversation(100 + static_cast<std::uint64_t>(step));
  fork.forked_at = 3;
  if (below(4) == 0) ops.push_back(fork_conversation{1 + below(8), fork});
  if (below(4) == 0)
    ops.push_back(put_lens{name(static_cast<std::uint8_t>(below(name_count))),
                           lens(0, 16, 77)});
  if (below(4) == 0)
    ops.push_back(touch_conversations{{{1 + below(8), 5000 + step}}});
  return ops;
}

void do_step(store& s, random_engine& random, int step) {
  if (random() % 5 == 0) {
    must(s.sweep(1 + random() % 100'000), "sweep");
  } else if (random() % 5 == 0) {
    eviction_request request;
    request.values.used_bytes_max = random() % 600'000;
    request.bytes_max = 1 + random() % 200'000;
    request.now_unix_ms = 3'000;
    must(s.evict(request), "evict");
  } else {
    must(s.commit(random_ops(random, step)), "commit");
  }
}

// Everything that can be read, as one string.
std::string contents(const store& s) {
  const auto reader = s.reader();
  std::string all;
  const auto add = [&all](std::span<const std::byte> bytes) {
    all.append(std::to_string(bytes.size()) + ':');
    all.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  };
  for (const auto& c : must(reader->conversations(), "read conversations")) {
    add(encode(c));
    for (const auto& one : must(reader->chunks(c.id), "read chunks"))
      add(encode(one));
  }
  for (std::uint8_t n = 0; n < name_count; ++n) {
    all += std::to_string(must(reader->references(name(n)), "references"));
    const value_key keys[] = {{name(n), site::embed, 0},
                              {name(n), site::resid_post, 0}};
    for (const auto& v : must(reader->values(keys), "read values")) {
      all += v ? std::to_string(v->rows) : "-";
      if (v) add(v->bytes);
    }
    if (const auto block = must(reader->lens(name(n)), "read lens"))
      add(encode(*block));
  }
  return all;
}

struct worked {
  std::vector<io_shim::event> log;
  std::vector<std::string> after;  // contents after each step; [0]: none yet
};

worked work(random_engine& random) {
  const temporary_directory directory;
  io_shim::watch(directory.path().string());
  worked done;
  {
    const auto s = must(store::open({directory.path() / "s",
                                     std::uint64_t{1} << 30, 126, true}),
                        "open");
    for (int step = 0; step <= steps; ++step) {
      if (step > 0) do_step(*s, random, step);
      done.after.push_back(contents(*s));
      io_shim::acknowledge(static_cast<std::uint64_t>(step));
    }
    done.log = io_shim::take_log();
  }
  io_shim::unwatch();
  return done;
}

// ---- the cut ---------------------------------------------------------------

void apply(image& file, const io_shim::event& e, std::size_t from,
           std::size_t to) {
  if (file.size() < e.at + to) file.resize(e.at + to);
  std::copy(e.bytes.begin() + static_cast<std::ptrdiff_t>(from),
            e.bytes.begin() + static_cast<std::ptrdiff_t>(to),
            file.begin() + static_cast<std::ptrdiff_t>(e.at + from));
}

// Any of the write's sectors may have reached the disk.
void apply_torn(image& file, const io_shim::event& e, std::size_t sector,
                random_engine& random) {
  const std::uint32_t odds = random() % 5;  // of 4: none, some, all
  for (std::size_t from = 0; from < e.bytes.size();) {
    const std::size_t end = ((e.at + from) / sector + 1) * sector - e.at;
    const std::size_t to = std::min(end, e.bytes.size());
    if (random() % 4 < odds) apply(file, e, from, to);
    from = to;
  }
}

// What the disk holds when the power goes before event `cut` has returned.
image image_at(const std::vector<io_shim::event>& log, std::size_t cut,
               random_engine& random) {
  using kind = io_shim::event::kind;
  const std::size_t sector = random() % 2 == 0 ? 512 : 4096;
  std::size_t synced = 0;
  for (std::size_t i = 0; i < cut; ++i)
    if (log[i].what == kind::sync) synced = i;
  image file;
  for (std::size_t i = 0; i <= cut; ++i) {
    const io_shim::event& e = log[i];
    if (e.what == kind::resize) file.resize(e.at);
    if (e.what != kind::write) continue;
    const bool durable = i < synced || (e.synchronous && i < cut);
    if (durable)
      apply(file, e, 0, e.bytes.size());
    else
      apply_torn(file, e, sector, random);
  }
  return file;
}

std::uint64_t acknowledged_at(const std::vector<io_shim::event>& log,
                              std::size_t cut) {
  std::uint64_t step = 0;
  for (std::size_t i = 0; i < cut; ++i)
    if (log[i].what == io_shim::event::kind::acknowledge) step = log[i].at;
  return step;
}

std::size_t first_acknowledgement(const std::vector<io_shim::event>& log) {
  std::size_t i = 0;
  while (log[i].what != io_shim::event::kind::acknowledge)
    ++i;
  return i;
}

// ---- after it --------------------------------------------------------------

void expect_to_add_up(const store& s) {
  const auto f = must(s.statistics(), "statistics").file;
  if (f.file_bytes + f.unwritten_bytes - f.behind_bytes !=
      f.own_bytes + f.live_bytes + f.rounding_bytes + f.free_bytes)
    give_up("the accounts do not add up");
}

// True when the step under way had reached the disk.
bool verify(const image& file, const worked& done, std::uint64_t acknowledged) {
  const temporary_directory directory;
  const auto at = directory.path() / "s";
  std::filesystem::create_directory(at);
  std::ofstream(at / "data.mdb", std::ios::binary)
      .write(reinterpret_cast<const char*>(file.data()),
             static_cast<std::streamsize>(file.size()));
  std::ofstream(at / "running") << "";
  const auto s =
      must(store::open({at, std::uint64_t{1} << 30, 126, false}), "open image");
  if (s->opened().damage) give_up(s->opened().damage->context);
  if (!s->opened().unclean) give_up("the unclean exit was not noticed");
  if (const auto r = must(s->repair(1'000'000), "repair");
      r.repaired() != 0 || r.more)
    give_up(std::to_string(r.repaired()) + " records needed repair");
  expect_to_add_up(*s);
  const std::string now = contents(*s);
  const bool before = now == done.after.at(acknowledged);
  const bool later = acknowledged + 1 < done.after.size() &&
                     now == done.after.at(acknowledged + 1);
  if (!before && !later)
    give_up("other contents than after step " + std::to_string(acknowledged));
  must(s->commit(std::vector<write_op>{put_conversation{conversation(900)}}),
       "commit after the cut");
  return later && !before;
}

int run(int rounds, std::uint32_t seed) {
  random_engine random(seed);
  worked done;
  std::uint64_t under_way = 0;
  for (int round = 0; round < rounds; ++round) {
    if (round % cuts_per_log == 0) done = work(random);
    const std::size_t first = first_acknowledgement(done.log);
    const std::size_t cut = first + random() % (done.log.size() - first);
    under_way += verify(image_at(done.log, cut, random), done,
                        acknowledged_at(done.log, cut))
                     ? 1
                     : 0;
  }
  std::cout << rounds << " power cuts (seed " << seed
            << "): nothing acknowledged was lost, nothing needed repair; "
            << under_way << " times the step under way had been stored\n";
  return 0;
}

}  // namespace
}  // namespace lamina

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 10;
  const auto seed =
      argc > 2 ? static_cast<std::uint32_t>(std::strtoul(argv[2], nullptr, 10))
               : 1u;
  return lamina::run(rounds, seed);
}

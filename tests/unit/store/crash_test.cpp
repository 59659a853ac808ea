// A writer that is killed at random moments loses nothing that it has
// acknowledged, and nothing needs repair.
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <random>

#include "tests/unit/store/store_fixture.hpp"

namespace lamina {
namespace {

digest crash_name(std::uint32_t i) {
  digest d = name(7);
  std::memcpy(d.bytes.data(), &i, sizeof i);
  return d;
}

stored_value_ptr crash_value(std::uint32_t i) {
  std::mt19937 random(i);
  std::vector<std::byte> bytes(500 + random() % 20'000);
  for (auto& byte : bytes)
    byte = static_cast<std::byte>(random());
  return std::make_shared<const stored_value>(
      stored_value{{crash_name(i), site::resid_post, 0}, 16, std::move(bytes)});
}

write_op write_of(std::uint32_t i) {
  return put_chunk{
      1, i, chunk(crash_name(i), 16, i), {crash_value(i)}, lens(0, 16, i)};
}

// The child's whole life: commits chunk after chunk, and says the index of
// each once it is durable.
[[noreturn]] void write_until_killed(const store_options& options, int to) {
  const auto opened = store::open(options);
  if (opened.has_error()) ::_exit(2);
  auto& store = *opened.value();
  std::vector<write_op> first{put_conversation{conversation(1)}};
  if (store.commit(first).has_error()) ::_exit(3);
  std::uint32_t i =
      static_cast<std::uint32_t>(store.reader()->chunks(1).value().size());
  for (;; ++i) {
    std::vector<write_op> ops{write_of(i)};
    if (store.commit(ops).has_error()) ::_exit(4);
    if (::write(to, &i, sizeof i) != sizeof i) ::_exit(5);
  }
}

// Kills a fresh writer after `acknowledgements` and a little more; returns the
// last index that it acknowledged, or nothing.
std::optional<std::uint32_t> run_and_kill(const store_options& options,
                                          std::mt19937& random) {
  int ends[2];
  if (::pipe(ends) != 0) return std::nullopt;
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(ends[0]);
    write_until_killed(options, ends[1]);
  }
  ::close(ends[1]);
  std::optional<std::uint32_t> last;
  std::uint32_t index = 0;
  const std::uint32_t acknowledgements = 1 + random() % 8;
  for (std::uint32_t n = 0; n < acknowledgements; ++n)
    if (::read(ends[0], &index, sizeof index) == sizeof index) last = index;
  // Somewhere within the commits that follow; no outcome hangs on when.
  const timespec wait{0, static_cast<long>(random() % 3'000'000)};
  ::ppoll(nullptr, 0, &wait, nullptr);
  ::kill(child, SIGKILL);
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status)) << "the writer ended by itself";
  while (::read(ends[0], &index, sizeof index) == sizeof index)
    last = index;
  ::close(ends[0]);
  return last;
}

TEST(StoreCrash, KilledWriterLosesNothingAcknowledged) {
  const temporary_directory directory;
  const store_options options{directory.path() / "s", std::uint64_t{1} << 30,
                              126, true};
  std::mt19937 random(20);
  std::uint32_t stored = 0;
  for (int round = 0; round < 20; ++round) {
    const auto last = run_and_kill(options, random);
    ASSERT_TRUE(last.has_value()) << "round " << round;
    const auto opened = store::open(options);
    ASSERT_TRUE(opened.has_value()) << to_string(opened.error());
    const auto reader = opened.value()->reader();
    const auto chunks = reader->chunks(1);
    ASSERT_TRUE(chunks.has_value());
    ASSERT_GT(chunks.value().size(), *last) << "round " << round;
    ASSERT_GE(chunks.value().size(), stored);
    for (std::uint32_t i = 0; i < chunks.value().size(); ++i) {
      ASSERT_EQ(chunks.value()[i].name, crash_name(i));
      const value_key key{crash_name(i), site::resid_post, 0};
      const auto values = reader->values(std::span(&key, 1));
      ASSERT_TRUE(values.has_value());
      ASSERT_NE(values.value()[0], nullptr);
      ASSERT_EQ(values.value()[0]->bytes, crash_value(i)->bytes);
      ASSERT_EQ(reader->lens(crash_name(i)).value()->at(3, 0).top_ids[0],
                i + 3);
    }
    stored = static_cast<std::uint32_t>(chunks.value().size());
    const auto s = opened.value()->statistics().value();
    ASSERT_EQ(s.references, stored);
    ASSERT_EQ(s.values, stored);
  }
  EXPECT_GE(stored, 20u);
}

}  // namespace
}  // namespace lamina

// Writes the binary part of the corpus: what our own encoders make of small
// fixed inputs. Run by hand when a format changes; the files are committed. The
// text files beside them are written by hand.
//
//     fuzz_make_corpus tests/fuzz/corpus
#include <array>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "actors/codec/codec.hpp"
#include "actors/store/names.hpp"
#include "client/cli/conversation_file.hpp"
#include "protocol/frame.hpp"
#include "tests/unit/codec/sample_chunk.hpp"
#include "tests/unit/protocol/samples.hpp"
#include "tests/unit/store/store_fixture.hpp"

namespace lamina {
namespace {

using bytes = std::vector<std::byte>;

class corpus {
 public:
  explicit corpus(std::filesystem::path directory) : directory_(directory) {}

  void add(const char* target, const std::string& name,
           std::span<const std::byte> content) const {
    std::filesystem::create_directories(directory_ / target);
    std::ofstream(directory_ / target / name, std::ios::binary)
        .write(reinterpret_cast<const char*>(content.data()),
               static_cast<std::streamsize>(content.size()));
  }

 private:
  std::filesystem::path directory_;
};

void add_values(const corpus& into) {
  const value_key key{sample_name(), site::resid_post, 0};
  for (const dtype t : {dtype::bfloat16, dtype::float16, dtype::float32})
    for (const quality q : {quality::raw, quality::lossless, quality::high,
                            quality::balanced, quality::small})
      into.add("stored_value",
               std::string(to_string(q)) + "-" + std::string(to_string(t)),
               encode(key, *walk_chunk({9, 33, t}), 2, q).bytes);
}

/// The chooser, the key of the database, the record without its seal.
bytes record_of(std::uint8_t kind, std::span<const std::byte> key,
                std::span<const std::byte> record) {
  bytes all{std::byte{kind}};
  all.insert(all.end(), key.begin(), key.end());
  all.insert(all.end(), record.begin(), record.end());
  return all;
}

void add_records(const corpus& into) {
  auto talk = conversation(7);
  talk.preview = "The captain";
  talk.parent = 3;
  talk.forked_at = 20;
  into.add("store_records", "conversation",
           record_of(0, key_of(conversation_id{7}), encode(talk)));
  into.add(
      "store_records", "chunk",
      record_of(1, key_of(conversation_id{7}, 2), encode(chunk(name(1), 16))));
  into.add(
      "store_records", "tail",
      record_of(1, key_of(conversation_id{7}, 3), encode(chunk(name(2), 5))));
  into.add("store_records", "lens",
           record_of(2, key_of(name(1)), encode(*lens(0, 4, 9))));
  const name_record held{2, evicted_bit(site::embed), {1000, 400}};
  into.add("store_records", "name", record_of(3, {}, encode(held)));
  const bytes value{std::byte{16}, std::byte{0}, std::byte{0x80},
                    std::byte{0x3b}, std::byte{'L'}};
  into.add("store_records", "value", record_of(4, {}, value));
}

void add_messages(const corpus& into) {
  for (const auto& body : samples::every_message()) {
    const auto packed = samples::packed(body);
    into.add("protocol", std::string(name_of(body.type)),
             std::as_bytes(std::span(packed)));
  }
  into.add("protocol", "frame",
           encode_frame(frame_kind::request, 1, make_body(wire::PingT{})));
}

void add_tree(const corpus& into) {
  const temporary_directory directory;
  {
    const auto made = store::open(
        {directory.path() / "s", std::uint64_t{1} << 20, 126, false});
    const std::vector<write_op> ops{
        put_conversation{conversation(1)},
        put_chunk{
            1, 0, chunk(name(1), 16), {value(name(1), 16, 5000)}, lens(0, 1)}};
    if (made.has_error() || made.value()->commit(ops).has_error()) return;
  }
  std::ifstream file(directory.path() / "s" / "data.mdb", std::ios::binary);
  const std::string all{std::istreambuf_iterator<char>(file), {}};
  into.add("tree_pages", "store", std::as_bytes(std::span(all)));
}

/// 20 positions of 2 layers x 2, the second chunk without activations and the
/// first without lens records; all numbers are 0.
void add_exported(const corpus& into) {
  wire::ConversationT talk;
  talk.id = "0000000000001";
  talk.model = "gpt2";
  talk.origin = "engine";
  talk.layers = 2;
  talk.width = 2;
  talk.dtype = static_cast<std::uint8_t>(dtype::bfloat16);
  for (std::uint32_t p = 0; p < 20; ++p) {
    talk.tokens.push_back(std::make_unique<wire::TokenT>());
    talk.tokens.back()->id = 100 + p;
    talk.tokens.back()->bytes = {0xe2, 0x82};
    talk.tokens.back()->role = 2;
  }
  for (const std::uint32_t begin : {0u, 16u}) {
    auto chunk = std::make_unique<wire::LedgerEntryT>();
    chunk->position_begin = begin;
    chunk->position_end = std::min(begin + 16, 20u);
    chunk->embed = "never_asked";
    chunk->resid_post = chunk->final_norm = begin == 0 ? "present" : "evicted";
    chunk->lens = begin == 0 ? "on_demand" : "present";
    talk.ledger.push_back(std::move(chunk));
  }
  const auto header = cli::header_of(talk, cli::layout_of(talk)).value();
  auto file = header.bytes;
  file.resize(header.file_bytes);
  into.add("import", "conversation", std::as_bytes(std::span(file)));
}

}  // namespace
}  // namespace lamina

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "fuzz_make_corpus DIRECTORY\n";
    return 1;
  }
  const lamina::corpus into(argv[1]);
  lamina::add_values(into);
  lamina::add_records(into);
  lamina::add_messages(into);
  lamina::add_tree(into);
  lamina::add_exported(into);
  return 0;
}

// A store in a directory of its own, and the verbs that its tests are told in.
#pragma once

#include <gmock/gmock.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "actors/store/store.hpp"

namespace lamina {

/// A directory that goes with the object.
class temporary_directory {
 public:
  temporary_directory() {
    std::string path =
        (std::filesystem::temp_directory_path() / "lamina-XXXXXX").string();
    if (::mkdtemp(path.data()) == nullptr) std::abort();
    path_ = path;
  }
  ~temporary_directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  temporary_directory(const temporary_directory&) = delete;
  temporary_directory& operator=(const temporary_directory&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline digest name(std::uint8_t n) {
  digest d;
  d.bytes.fill(n);
  return d;
}

inline conversation_record conversation(conversation_id id) {
  conversation_record r;
  r.id = id;
  r.model = "demo";
  r.root = name(200);
  r.shape = {8, 256, dtype::bfloat16};
  return r;
}

/// A chunk whose tokens say where they are: id 100 x first + i.
inline chunk_record chunk(const digest& chunk_name, std::uint32_t tokens,
                          std::uint32_t first = 1) {
  chunk_record r;
  r.name = chunk_name;
  r.full = tokens == chunk_positions;
  for (std::uint32_t i = 0; i < tokens; ++i)
    r.tokens.push_back({100 * first + i, role::user, 0, "t"});
  return r;
}

inline stored_value_ptr value(const digest& chunk_name, std::uint32_t rows,
                              std::size_t bytes = 1000,
                              site s = site::resid_post,
                              std::uint16_t layer = 0) {
  std::vector<std::byte> content(bytes);
  for (std::size_t i = 0; i < bytes; ++i)
    content[i] =
        static_cast<std::byte>(i * 31 + chunk_name.bytes[0] + rows + layer);
  return std::make_shared<const stored_value>(
      stored_value{{chunk_name, s, layer}, rows, std::move(content)});
}

/// Rows first .. end-1 of a model with two layers; `salt` is in every record.
inline lens_block_ptr lens(std::uint32_t first, std::uint32_t end,
                           std::uint32_t salt = 0) {
  lens_rows rows{first, 2, true, {}};
  for (std::uint32_t i = first; i < end; ++i)
    for (int layer = 0; layer < 3; ++layer) {
      lens_record record{};
      record.top_ids[0] = salt + i;
      rows.records.push_back(record);
    }
  lens_block block = make_lens_block(2);
  merge(block, 0, rows);
  return std::make_shared<const lens_block>(std::move(block));
}

class StoreTest : public testing::Test {
 protected:
  StoreTest() { open(); }

  store_options options() const {
    return {directory_.path() / "store", std::uint64_t{1} << 30, 126, false};
  }
  void open() {
    auto opened = store::open(options());
    ASSERT_TRUE(opened.has_value()) << to_string(opened.error());
    store_ = opened.value();
    reader_ = store_->reader();
  }
  void close() {
    reader_.reset();
    store_.reset();
  }
  void reopen() {
    close();
    open();
  }

  commit_report commit(const std::vector<write_op>& ops) {
    auto report = store_->commit(ops);
    EXPECT_TRUE(report.has_value());
    return report.value();
  }
  /// Commits and expects that no operation failed.
  commit_report put(const std::vector<write_op>& ops) {
    auto report = commit(ops);
    for (const auto& failed : report.failed)
      EXPECT_FALSE(failed.has_value()) << to_string(*failed);
    return report;
  }
  store_statistics statistics() const { return store_->statistics().value(); }
  std::vector<chunk_record> chunks(conversation_id id) {
    return reader_->chunks(id).value();
  }
  stored_value_ptr read(const digest& chunk_name, site s = site::resid_post,
                        std::uint16_t layer = 0) {
    const value_key key{chunk_name, s, layer};
    return reader_->values(std::span(&key, 1)).value()[0];
  }
  std::uint32_t references(const digest& chunk_name) {
    return reader_->references(chunk_name).value();
  }

  temporary_directory directory_;
  std::shared_ptr<store> store_;
  std::unique_ptr<store_reader> reader_;
};

}  // namespace lamina

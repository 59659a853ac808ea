// Walks all pages of an LMDB 0.9 file (data version 1) without LMDB, trusting
// nothing: every page number, offset and count is checked before it is
// followed. LMDB itself follows whatever a page says.
//
// Pages are read with pread, so a file that is too short is an error and not a
// signal. Large records are checked for where they lie, not for what is in
// them: their own checksums do that. Pure but for the file; any thread.
//
// Reads each tree page and 16 bytes of each large record: in a file of values
// of 256 KiB a fiftieth of its pages. Memory: a bit per page of the file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "protocol/error.hpp"

namespace lamina {

struct tree_census {
  std::uint64_t branch_pages = 0;
  std::uint64_t leaf_pages = 0;
  std::uint64_t overflow_pages = 0;
  std::uint64_t entries = 0;
  std::uint64_t payload_bytes = 0;  // keys and records
};

struct page_census {
  std::uint32_t page_bytes = 0;
  std::uint64_t pages = 0;  // with the two meta pages
  std::uint64_t free_pages = 0;
  std::uint64_t lost_pages = 0;  // neither used nor free
  tree_census free_list;
  tree_census main;  // the names of the databases
  std::map<std::string, tree_census> databases;
};

/// corrupt, naming the page, when something cannot be; io_error when the file
/// cannot be read.
result<page_census> check_pages(const std::filesystem::path& file);

/// The last commit counts on pages behind the file's end. That is so in sound
/// files too, when those pages are free: only a walk can tell.
bool is_shorter_than_it_says(const std::filesystem::path& file);

}  // namespace lamina

#include "actors/store/page_layout.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace lamina::page_layout {
namespace {

result<meta> parse_meta(byte_view page, std::uint64_t number) {
  const std::string which = "meta page " + std::to_string(number);
  if (number_at<std::uint16_t>(page, 10) != meta_page ||
      number_at<std::uint32_t>(page, 16) != meta_magic)
    return damage(which + " is not one of LMDB's");
  if (number_at<std::uint32_t>(page, 20) != 1)
    return damage(which + " has a data version other than 1");
  meta m;
  m.page_bytes = number_at<std::uint32_t>(page, 40);
  m.free_list = tree_at(page, 40, "free pages");
  m.main = tree_at(page, 40 + tree_bytes, "databases");
  m.last_page = number_at<std::uint64_t>(page, 40 + 2 * tree_bytes);
  m.transaction = number_at<std::uint64_t>(page, 48 + 2 * tree_bytes);
  if (m.page_bytes < 512 || m.page_bytes > 65536 ||
      (m.page_bytes & (m.page_bytes - 1)) != 0)
    return damage(which + " has an impossible page size");
  return m;
}

}  // namespace

tree tree_at(byte_view from, std::size_t at, std::string name) {
  return {std::move(name),
          number_at<std::uint16_t>(from, at + 4),
          number_at<std::uint16_t>(from, at + 6),
          number_at<std::uint64_t>(from, at + 8),
          number_at<std::uint64_t>(from, at + 16),
          number_at<std::uint64_t>(from, at + 24),
          number_at<std::uint64_t>(from, at + 32),
          number_at<std::uint64_t>(from, at + 40)};
}

error damage(std::string what) {
  return {error_code::corrupt, std::move(what)};
}

open_file::open_file(const std::filesystem::path& path)
    : descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}

open_file::~open_file() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

std::uint64_t open_file::size() const {
  struct stat s {};
  return ::fstat(descriptor_, &s) == 0 ? static_cast<std::uint64_t>(s.st_size)
                                       : 0;
}

result<bytes> open_file::read(std::uint64_t at, std::size_t count) const {
  bytes into(count);
  std::size_t done = 0;
  while (done < count) {
    const ssize_t n = ::pread(descriptor_, into.data() + done, count - done,
                              static_cast<off_t>(at + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0)
      return fail(error_code::io_error,
                  std::string("cannot read: ") + std::strerror(errno));
    if (n == 0)
      return damage("the file ends at byte " + std::to_string(at + done) +
                    ", inside a page");
    done += static_cast<std::size_t>(n);
  }
  return into;
}

result<meta> read_meta(const open_file& file) {
  BOOST_OUTCOME_TRY(first_page, file.read(0, meta_bytes + header_bytes));
  BOOST_OUTCOME_TRY(first, parse_meta(first_page, 0));
  BOOST_OUTCOME_TRY(second_page,
                    file.read(first.page_bytes, meta_bytes + header_bytes));
  BOOST_OUTCOME_TRY(second, parse_meta(second_page, 1));
  return first.transaction >= second.transaction ? first : second;
}

}  // namespace lamina::page_layout

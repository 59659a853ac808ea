#include "actors/store/page_check.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "actors/store/page_layout.hpp"

namespace lamina {
namespace {

using namespace page_layout;

class page_walk {
 public:
  page_walk(const open_file& file, meta m)
      : file_(file), meta_(std::move(m)), seen_(meta_.last_page + 1) {
    seen_[0] = seen_[1] = true;
  }
  result<page_census> run();

 private:
  struct node {
    byte_view key;
    std::uint64_t child = 0;  // of a branch
    std::uint32_t size = 0;   // of a leaf's record
    std::uint16_t flags = 0;
    byte_view record;  // within the page; large: its page's number
  };
  // Keys of a subtree lie in [from, below); nothing: no such bound.
  struct bounds {
    std::optional<byte_view> from, below;
  };

  result<tree_census> walk(const tree& t);
  result<void> visit(std::uint64_t page, int level, bounds keys);
  result<bytes> read_page(std::uint64_t page);
  result<node> node_at(byte_view page, std::size_t index, bool leaf);
  result<void> check_order(const std::vector<node>& nodes, bounds keys,
                           bool leaf);
  result<void> visit_leaf(const std::vector<node>& nodes);
  result<void> visit_branch(const std::vector<node>& nodes, int level,
                            bounds keys);
  result<void> take(std::uint64_t page, std::uint64_t count);
  result<std::uint64_t> take_large(const node& n);
  result<void> note_free(const node& n);
  bool less(byte_view a, byte_view b) const;
  error damage_at(const std::string& what) const {
    return damage("page " + std::to_string(at_) + " (" + tree_.name +
                  "): " + what);
  }

  const open_file& file_;
  meta meta_;
  std::vector<bool> seen_;
  std::uint64_t free_pages_ = 0;
  tree tree_;  // the one that is walked
  tree_census census_;
  std::vector<tree> found_;  // databases, when the main tree is walked
  std::uint64_t at_ = 0;     // the page that is looked at
};

bool page_walk::less(byte_view a, byte_view b) const {
  if ((tree_.flags & integer_keys) != 0 && a.size() == 8 && b.size() == 8)
    return number_at<std::uint64_t>(a, 0) < number_at<std::uint64_t>(b, 0);
  return std::ranges::lexicographical_compare(a, b);
}

result<void> page_walk::take(std::uint64_t page, std::uint64_t count) {
  if (page < 2 || page > meta_.last_page || count > meta_.last_page - page + 1)
    return damage_at("refers to page " + std::to_string(page) +
                     ", which does not exist");
  for (std::uint64_t i = page; i < page + count; ++i) {
    if (seen_[i])
      return damage_at("refers to page " + std::to_string(i) +
                       ", which is in use already");
    seen_[i] = true;
  }
  return success();
}

result<bytes> page_walk::read_page(std::uint64_t page) {
  BOOST_OUTCOME_TRYV(take(page, 1));
  at_ = page;
  BOOST_OUTCOME_TRY(read,
                    file_.read(page * meta_.page_bytes, meta_.page_bytes));
  const auto lower = number_at<std::uint16_t>(read, 12);
  const auto upper = number_at<std::uint16_t>(read, 14);
  if (number_at<std::uint64_t>(read, 0) != page)
    return damage_at("carries another page's number");
  if (lower < header_bytes || lower % 2 != 0 || lower > upper ||
      upper > meta_.page_bytes)
    return damage_at("has impossible bounds");
  return read;
}

result<page_walk::node> page_walk::node_at(byte_view page, std::size_t index,
                                           bool leaf) {
  const std::size_t at =
      number_at<std::uint16_t>(page, header_bytes + 2 * index);
  const auto outside = [this] { return damage_at("a record leaves the page"); };
  if (at < number_at<std::uint16_t>(page, 14) ||
      at + node_header_bytes > page.size())
    return outside();
  const auto low = number_at<std::uint16_t>(page, at);
  const auto high = number_at<std::uint16_t>(page, at + 2);
  const auto flags = number_at<std::uint16_t>(page, at + 4);
  const std::size_t key = number_at<std::uint16_t>(page, at + 6);
  const std::size_t content = at + node_header_bytes + key;
  if (content > page.size()) return outside();
  node n;
  n.key = page.subspan(at + node_header_bytes, key);
  n.size = low | std::uint32_t{high} << 16;
  if (!leaf) {
    n.child = n.size | std::uint64_t{flags} << 32;
    return n;
  }
  n.flags = flags;
  const std::size_t in_page = (flags & node_large) != 0 ? 8 : n.size;
  if (in_page > page.size() - content) return outside();
  n.record = page.subspan(content, in_page);
  return n;
}

// The first key of a branch stands for everything below the second.
result<void> page_walk::check_order(const std::vector<node>& nodes, bounds keys,
                                    bool leaf) {
  for (std::size_t i = leaf ? 0 : 1; i < nodes.size(); ++i) {
    const bool first = i == (leaf ? 0u : 1u);
    if ((!first && !less(nodes[i - 1].key, nodes[i].key)) ||
        (keys.from && less(nodes[i].key, *keys.from)) ||
        (keys.below && !less(nodes[i].key, *keys.below)))
      return damage_at("its keys are out of order");
  }
  return success();
}

result<void> page_walk::visit(std::uint64_t page, int level, bounds keys) {
  BOOST_OUTCOME_TRY(read, read_page(page));
  const bool leaf = level == tree_.depth;
  const auto kind = number_at<std::uint16_t>(read, 10) & kind_bits;
  if (kind != (leaf ? leaf_page : branch_page))
    return damage_at("is not the kind of page that its tree has there");
  const std::size_t count =
      (number_at<std::uint16_t>(read, 12) - header_bytes) / 2;
  if (count < (leaf ? 1u : 2u)) return damage_at("has too few records");
  std::vector<node> nodes;
  for (std::size_t i = 0; i < count; ++i) {
    BOOST_OUTCOME_TRY(n, node_at(read, i, leaf));
    nodes.push_back(n);
  }
  BOOST_OUTCOME_TRYV(check_order(nodes, keys, leaf));
  return leaf ? visit_leaf(nodes) : visit_branch(nodes, level, keys);
}

result<void> page_walk::visit_branch(const std::vector<node>& nodes, int level,
                                     bounds keys) {
  census_.branch_pages += 1;
  const std::uint64_t here = at_;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    bounds child = keys;
    if (i > 0) child.from = nodes[i].key;
    if (i + 1 < nodes.size()) child.below = nodes[i + 1].key;
    at_ = here;
    BOOST_OUTCOME_TRYV(visit(nodes[i].child, level + 1, child));
  }
  return success();
}

// A record that was replaced by a smaller one in the transaction that wrote it
// keeps its pages: only the first page says how many they are.
result<std::uint64_t> page_walk::take_large(const node& n) {
  const std::uint64_t first = number_at<std::uint64_t>(n.record, 0);
  const std::uint64_t needed =
      (header_bytes - 1 + n.size) / meta_.page_bytes + 1;
  BOOST_OUTCOME_TRYV(take(first, needed));
  BOOST_OUTCOME_TRY(header, file_.read(first * meta_.page_bytes, header_bytes));
  const std::uint64_t pages = number_at<std::uint32_t>(header, 12);
  if (number_at<std::uint64_t>(header, 0) != first ||
      (number_at<std::uint16_t>(header, 10) & kind_bits) != large_page ||
      pages < needed)
    return damage_at("its record on page " + std::to_string(first) +
                     " does not begin like one");
  if (pages > needed) {
    BOOST_OUTCOME_TRYV(take(first + needed, pages - needed));
  }
  if ((first + pages) * meta_.page_bytes > file_.size())
    return damage_at("the file ends before its record on page " +
                     std::to_string(first) + " does");
  return pages;
}

// A record of the free list: how many, then their numbers.
result<void> page_walk::note_free(const node& n) {
  bytes large;
  byte_view list = n.record;
  if ((n.flags & node_large) != 0) {
    const std::uint64_t first = number_at<std::uint64_t>(n.record, 0);
    BOOST_OUTCOME_TRY(
        read, file_.read(first * meta_.page_bytes + header_bytes, n.size));
    large = std::move(read);
    list = large;
  }
  const std::uint64_t count =
      list.size() < 8 ? no_page : number_at<std::uint64_t>(list, 0);
  if (list.size() < 8 || count > (list.size() - 8) / 8)
    return damage_at("a list of free pages is cut short");
  for (std::uint64_t i = 0; i < count; ++i) {
    BOOST_OUTCOME_TRYV(take(number_at<std::uint64_t>(list, 8 + 8 * i), 1));
  }
  free_pages_ += count;
  return success();
}

result<void> page_walk::visit_leaf(const std::vector<node>& nodes) {
  census_.leaf_pages += 1;
  census_.entries += nodes.size();
  const bool free_list = tree_.name == meta_.free_list.name;
  for (const node& n : nodes) {
    census_.payload_bytes += n.key.size() + n.size;
    if ((n.flags & node_large) != 0) {
      BOOST_OUTCOME_TRY(pages, take_large(n));
      census_.overflow_pages += pages;
    }
    if (free_list) {
      BOOST_OUTCOME_TRYV(note_free(n));
    }
    if ((n.flags & node_tree) == 0) continue;
    if (n.record.size() != tree_bytes)
      return damage_at("a database's record has the wrong length");
    found_.push_back(
        tree_at(n.record, 0,
                {reinterpret_cast<const char*>(n.key.data()), n.key.size()}));
  }
  return success();
}

result<tree_census> page_walk::walk(const tree& t) {
  tree_ = t;
  census_ = {};
  at_ = t.root;
  if (t.depth > depth_max) return damage(t.name + ": an impossible depth");
  if (t.root != no_page) {
    BOOST_OUTCOME_TRYV(visit(t.root, 1, {}));
  }
  if (census_.branch_pages != t.branch || census_.leaf_pages != t.leaf ||
      census_.overflow_pages != t.overflow || census_.entries != t.entries)
    return damage(t.name + ": other numbers of pages and records than counted");
  return census_;
}

result<page_census> page_walk::run() {
  page_census all;
  all.page_bytes = meta_.page_bytes;
  all.pages = meta_.last_page + 1;
  BOOST_OUTCOME_TRY(free_list, walk(meta_.free_list));
  all.free_list = free_list;
  BOOST_OUTCOME_TRY(main, walk(meta_.main));
  all.main = main;
  for (const tree& t : std::exchange(found_, {})) {
    BOOST_OUTCOME_TRY(database, walk(t));
    all.databases[t.name] = database;
  }
  all.free_pages = free_pages_;
  all.lost_pages =
      static_cast<std::uint64_t>(std::count(seen_.begin(), seen_.end(), false));
  return all;
}

}  // namespace

result<page_census> check_pages(const std::filesystem::path& path) {
  const open_file file(path);
  if (!file.ok())
    return fail(error_code::io_error,
                "cannot open " + path.string() + ": " + std::strerror(errno));
  BOOST_OUTCOME_TRY(m, read_meta(file));
  // Far behind the end, a page number is damage, and the map of pages seen
  // would not fit in memory.
  if (m.last_page > file.size() / m.page_bytes + (std::uint64_t{1} << 26))
    return damage("the last page's number is impossible");
  return page_walk(file, std::move(m)).run();
}

bool is_shorter_than_it_says(const std::filesystem::path& path) {
  const open_file file(path);
  if (!file.ok()) return false;
  const auto m = read_meta(file);
  return m.has_value() &&
         (m.value().last_page + 1) * m.value().page_bytes > file.size();
}

}  // namespace lamina

#include "actors/model/tokenizer/byte_pairs.hpp"

#include <queue>

namespace lamina {

namespace {

std::uint64_t pair_key(token_id left, token_id right) {
  return (std::uint64_t{left} << 32) | right;
}

}  // namespace

/// One piece on its way: its symbols, and the pairs that could join.
class byte_pairs::joining {
 public:
  joining(const byte_pairs& pairs, std::string_view piece) : pairs_(pairs) {
    symbols_.reserve(piece.size());
    for (std::uint32_t i = 0; i < piece.size(); ++i)
      symbols_.push_back({pairs.bytes_[static_cast<unsigned char>(piece[i])],
                          i == 0 ? none : i - 1,
                          i + 1 == piece.size() ? none : i + 1});
    std::vector<candidate> first;
    for (std::uint32_t i = 0; i + 1 < symbols_.size(); ++i)
      if (const auto found =
              pairs.find(symbols_[i].token, symbols_[i + 1].token))
        first.push_back({found->rank, i, found->joined});
    considered_ = first.size();
    candidates_ = decltype(candidates_)({}, std::move(first));
  }

  std::size_t run() {
    while (!candidates_.empty()) {
      const candidate best = candidates_.top();
      candidates_.pop();
      join(best);
    }
    return considered_;
  }

  void append_to(std::vector<token_id>& out) const {
    for (std::uint32_t i = 0; i != none; i = symbols_[i].next)
      out.push_back(symbols_[i].token);
  }

 private:
  static constexpr std::uint32_t none = ~0u;

  struct symbol {
    token_id token;
    std::uint32_t previous;
    std::uint32_t next;
    bool gone = false;  // joined into the symbol before it
  };

  struct candidate {
    std::uint32_t rank;
    std::uint32_t left;  // index of the left symbol
    token_id joined;

    bool operator<(const candidate& other) const {  // the heap's top is least
      return rank != other.rank ? rank > other.rank : left > other.left;
    }
  };

  void consider(std::uint32_t left) {
    const std::uint32_t right = symbols_[left].next;
    if (right == none) return;
    if (const auto found =
            pairs_.find(symbols_[left].token, symbols_[right].token)) {
      candidates_.push({found->rank, left, found->joined});
      ++considered_;
    }
  }

  /// Candidates are never taken back: one whose symbols have changed since is
  /// recognised here.
  void join(const candidate& c) {
    symbol& left = symbols_[c.left];
    if (left.gone || left.next == none) return;
    symbol& right = symbols_[left.next];
    const auto found = pairs_.find(left.token, right.token);
    if (!found || found->joined != c.joined) return;
    left.token = c.joined;
    left.next = right.next;
    right.gone = true;
    if (left.next != none) symbols_[left.next].previous = c.left;
    if (left.previous != none) consider(left.previous);
    consider(c.left);
  }

  const byte_pairs& pairs_;
  std::vector<symbol> symbols_;
  std::priority_queue<candidate> candidates_;
  std::size_t considered_ = 0;
};

void byte_pairs::add_merge(token_id left, token_id right, std::uint32_t rank,
                           token_id joined) {
  merges_.insert_or_assign(pair_key(left, right), merge{rank, joined});
}

std::optional<byte_pairs::merge> byte_pairs::find(token_id left,
                                                  token_id right) const {
  const auto found = merges_.find(pair_key(left, right));
  if (found == merges_.end()) return std::nullopt;
  return found->second;
}

std::size_t byte_pairs::encode(std::string_view piece,
                               std::vector<token_id>& out) const {
  if (piece.empty()) return 0;
  joining work(*this, piece);
  const std::size_t considered = work.run();
  work.append_to(out);
  return considered;
}

}  // namespace lamina

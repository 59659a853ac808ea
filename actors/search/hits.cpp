#include "actors/search/hits.hpp"

#include <algorithm>
#include <tuple>

namespace lamina {

bool ranks_before(const search_hit& a, const search_hit& b) {
  return std::make_tuple(-a.score, a.conversation, a.position, a.tokens) <
         std::make_tuple(-b.score, b.conversation, b.position, b.tokens);
}

bool best_hits::add(const search_hit& hit) {
  if (heap_.size() == capacity_) {
    if (capacity_ == 0 || !ranks_before(hit, heap_.front())) return false;
    std::pop_heap(heap_.begin(), heap_.end(), ranks_before);
    heap_.pop_back();
  }
  heap_.push_back(hit);
  std::push_heap(heap_.begin(), heap_.end(), ranks_before);
  return true;
}

std::vector<search_hit> best_hits::sorted() const {
  auto hits = heap_;
  std::sort(hits.begin(), hits.end(), ranks_before);
  return hits;
}

}  // namespace lamina

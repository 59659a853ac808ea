#include "actors/model/stop_matcher.hpp"

#include <algorithm>
#include <utility>

#include "protocol/limits.hpp"

namespace lamina {

result<void> check_stops(const std::vector<std::string>& stops) {
  if (stops.size() > limits::stop_strings_max)
    return fail(error_code::limit_exceeded,
                "more than " + std::to_string(limits::stop_strings_max) +
                    " stop strings");
  for (const auto& stop : stops) {
    if (stop.empty())
      return fail(error_code::invalid_argument, "a stop string is empty");
    if (stop.size() > limits::stop_bytes_max)
      return fail(error_code::limit_exceeded,
                  "a stop string is longer than " +
                      std::to_string(limits::stop_bytes_max) + " bytes");
  }
  return success();
}

stop_matcher::stop_matcher(std::vector<std::string> stops)
    : stops_(std::move(stops)) {}

std::optional<stop_match> stop_matcher::push(std::string_view token_bytes) {
  if (stops_.empty()) return std::nullopt;
  const std::size_t old_end = text_.size();
  token_begins_.push_back(old_end);
  text_ += token_bytes;
  if (const auto begin = find_from(old_end)) {
    withheld_ = 0;
    return cut_at(*begin);
  }
  drop_decided(candidate_begin());
  return std::nullopt;
}

// Whatever stop string may still come begins at `begin` or later: tokens
// before the one that holds that byte are decided.
void stop_matcher::drop_decided(std::size_t begin) {
  const std::size_t count = token_begins_.size();
  const std::size_t decided = begin == text_.size() ? count : token_at(begin);
  const std::size_t bytes =
      decided < count ? token_begins_[decided] : text_.size();
  text_.erase(0, bytes);
  token_begins_.erase(token_begins_.begin(), token_begins_.begin() + decided);
  for (auto& at : token_begins_)
    at -= bytes;
  dropped_tokens_ += static_cast<std::uint32_t>(decided);
  withheld_ = static_cast<std::uint32_t>(count - decided);
}

// The token that holds a byte. Tokens without bytes hold none: they belong to
// what comes before.
std::size_t stop_matcher::token_at(std::size_t byte) const {
  const auto next =
      std::upper_bound(token_begins_.begin(), token_begins_.end(), byte);
  return static_cast<std::size_t>(next - token_begins_.begin()) - 1;
}

// The first begin of a stop string that ends after `old_end`.
std::optional<std::size_t> stop_matcher::find_from(std::size_t old_end) const {
  std::size_t first = std::string::npos;
  for (const auto& stop : stops_) {
    const std::size_t from =
        old_end + 1 > stop.size() ? old_end + 1 - stop.size() : 0;
    first = std::min(first, text_.find(stop, from));
  }
  if (first == std::string::npos) return std::nullopt;
  return first;
}

stop_match stop_matcher::cut_at(std::size_t stop_begin) const {
  const std::size_t token = token_at(stop_begin);
  const std::size_t text_bytes = stop_begin - token_begins_[token];
  const auto before = dropped_tokens_ + static_cast<std::uint32_t>(token);
  if (text_bytes == 0) return {before, std::nullopt};
  return {before + 1, static_cast<std::uint32_t>(text_bytes)};
}

// Where the longest end of the text begins that is a stop string's begin;
// text_.size() when there is none.
std::size_t stop_matcher::candidate_begin() const {
  std::size_t begin = text_.size();
  for (const auto& stop : stops_) {
    std::size_t length = std::min(stop.size() - 1, text_.size());
    for (; length > text_.size() - begin; --length)
      if (text_.compare(text_.size() - length, length, stop, 0, length) == 0)
        break;
    begin = std::min(begin, text_.size() - length);
  }
  return begin;
}

}  // namespace lamina

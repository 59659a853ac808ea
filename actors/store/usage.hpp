// Who holds how much, by one merge over `referrers` and `names`, which lie in
// the same order.
//
// Cost: one step for each chunk of each conversation, and as many for their
// records' sizes; no stored value is touched. 10 million tokens take about a
// second. It looks at `slice` names under one snapshot and then takes a new
// one, so that a long count does not keep freed pages from being used again:
// beside a writer the sums are of moments close to each other.
#pragma once

#include <cstddef>

#include "actors/store/transaction.hpp"

namespace lamina {

result<usage_report> count_usage(environment& env, std::size_t slice = 16'384);

/// One conversation's, under one snapshot; not_found when it is not there.
result<usage> count_usage_of(environment& env, conversation_id id);

}  // namespace lamina

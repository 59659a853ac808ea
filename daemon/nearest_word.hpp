// The known word that somebody probably meant. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lamina {

/// The nearest of `known` by edits (insert, delete, replace, swap neighbours),
/// when that is near enough to be a slip: at most a third of the word's
/// length, and at least two. Empty when none is. The first of equals.
std::string nearest_word(std::string_view word,
                         const std::vector<std::string>& known);

}  // namespace lamina

// Unicode's normalization form C, version 14: what the normalizer "NFC" of a
// tokenizer.json does. Pure functions; any thread.
//
// Source: the Unicode standard, annex 15, and chapter 3.12 for Hangul. The
// tables come from make_nfc_tables.py. Hugging Face's library has an older
// table; the one difference found is the class of U+089C, new in version 14.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace lamina {

/// `text`, which is well-formed UTF-8, in form C.
std::string to_nfc(std::string_view text);

/// True when a look at the bytes shows that `text` is in form C: no character
/// from U+0300 on. False says nothing.
bool is_plainly_nfc(std::string_view text);

/// One step of a canonical decomposition: `whole` is `first` and `second`.
struct canonical_pair {
  char32_t whole;
  char32_t first;
  char32_t second;  // 0: `whole` is just another code for `first`
  bool composes;    // the pair becomes `whole` again
};

/// Code points begin .. end with one combining class, which is not 0.
struct combining_range {
  char32_t begin;
  char32_t end;
  std::uint8_t combining_class;
};

/// Ascending by `whole`.
extern const std::span<const canonical_pair> canonical_pairs;
/// Ascending, none overlapping.
extern const std::span<const combining_range> combining_ranges;

}  // namespace lamina

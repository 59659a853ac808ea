// What a tokenizer.json says, checked and in plain structs; nothing of it runs
// here. Owned by `tokenizer::load`; any thread.
//
// Format: Hugging Face `tokenizers`, version 1.0. Read: model BPE;
// added_tokens; normalizer null, NFC and sequences of them; pre_tokenizer
// ByteLevel, Split, Digits and sequences of them that end in ByteLevel;
// post_processor ByteLevel, TemplateProcessing and sequences of them; decoder
// null or ByteLevel. `truncation` and `padding` are somebody's batch settings
// and are not read. Everything else is refused as unsupported.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <unordered_map>
#include <vector>

#include "protocol/error.hpp"
#include "protocol/site.hpp"

namespace lamina {

/// A token that is cut out of the text before the model sees it.
struct added_token {
  token_id id = 0;
  std::string content;       // not empty, UTF-8
  bool single_word = false;  // only where no word character is next to it
  bool lstrip = false;       // takes white space before it along
  bool rstrip = false;       // takes white space after it along
  bool normalized = true;    // looked for in the normalized text
  bool special = false;
};

/// What becomes of a match and of what lies between matches.
enum class split_behavior : std::uint8_t {
  removed,
  isolated,
  merged_with_previous,
  merged_with_next,
  contiguous,
};

struct split_step {
  std::string pattern;
  bool literal = false;  // the pattern is text, not an expression
  split_behavior behavior = split_behavior::isolated;
  bool invert = false;  // what lies between matches counts as the match
};

struct merge_rule {
  token_id left = 0;
  token_id right = 0;
  token_id joined = 0;
};

struct tokenizer_file {
  std::unordered_map<std::string, token_id> vocabulary;  // as spelled there
  std::vector<merge_rule> merges;                        // best first
  bool ignore_merges = false;  // a piece that is a token is taken whole
  std::vector<added_token> added;
  bool nfc = false;
  std::vector<split_step> splits;  // in order
  bool add_prefix_space = false;   // after `splits`, to each piece
  bool split_words = false;        // then GPT-2's expression
  std::vector<token_id> prefix;    // what the post-processor puts in front
};

/// Larger than any published tokenizer.json (about 35 MB), and small enough
/// that its parsed form fits.
inline constexpr std::uintmax_t tokenizer_file_bytes_max = 64u << 20;

/// Ids index tables, so they are bounded. Vocabularies end near 300,000.
inline constexpr token_id token_id_max = (1u << 20) - 1;

/// not_found, io_error, limit_exceeded, corrupt, unsupported; each names the
/// file and the place in it.
result<tokenizer_file> read_tokenizer_file(const std::filesystem::path& file);

/// GPT-2's own two files, which have no added tokens but "<|endoftext|>".
result<tokenizer_file> read_gpt2_files(const std::filesystem::path& vocabulary,
                                       const std::filesystem::path& merges);

}  // namespace lamina

// A tokenizer read from a Hugging Face tokenizer.json: byte-level BPE with its
// pre-tokenizer expression, added and special tokens. Immutable; any thread.
//
// Follows the behaviour of Hugging Face `tokenizers`; equality is tested on
// recorded vectors. What of the format is read, and what is refused, stands in
// tokenizer_file.hpp and expression.hpp.
//
// A text is any bytes. Where they are UTF-8 the ids are Hugging Face's; bytes
// that are not become their byte tokens, one each, and the text on both sides
// is encoded as if it stood alone. So decoding gives back exactly what was
// encoded, unless the file itself asks for a change (NFC, add_prefix_space,
// a Split that removes, an added token that strips).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/error.hpp"
#include "protocol/site.hpp"

namespace lamina {

struct encode_options {
  /// What the post-processor puts in front. What it would put behind (an end
  /// token) is never added: a prompt is there to be continued.
  bool add_bos = false;
  /// "<|endoftext|>" in the text is the token. Added tokens that are not
  /// special are found either way.
  bool parse_special = false;
};

class tokenizer {
 public:
  /// Reads DIR/tokenizer.json, or where there is none GPT-2's vocab.json and
  /// merges.txt. Errors name the file and the place in it: not_found, io_error,
  /// limit_exceeded, corrupt, unsupported.
  static result<std::shared_ptr<const tokenizer>> load(
      const std::filesystem::path& directory);

  virtual ~tokenizer() = default;

  /// O(n log n) in the bytes. limit_exceeded when the expression's step limit
  /// is met.
  virtual result<std::vector<token_id>> encode(
      std::string_view text, const encode_options& options) const = 0;

  /// The exact bytes of a token; empty for ids without any. The view lives as
  /// long as the tokenizer.
  virtual std::string_view bytes_of(token_id id) const = 0;
  virtual bool is_special(token_id id) const = 0;
  virtual std::optional<token_id> bos() const = 0;
  /// The largest id and one; not every id below it need be a token.
  virtual std::uint32_t size() const = 0;
};

using tokenizer_ptr = std::shared_ptr<const tokenizer>;

/// Cuts a stream of bytes into pieces that never split a UTF-8 character.
/// Bytes that can no longer become one are passed on as U+FFFD.
class utf8_stream {
 public:
  /// Text that is complete now.
  std::string push(std::string_view bytes);
  /// What was held back, at the end of the stream.
  std::string finish();

 private:
  std::string pending_;
};

}  // namespace lamina

// The tokens that may connect over TCP: a file of names, scopes, groups and
// hashes, one token a line:
//
//   NAME SCOPES SHA256 [GROUPS]      alice read,generate 9f86d0...  lab,owls
//
// The file never has a token itself, only the SHA-256 of one, in hexadecimal.
// Tokens are random (256 bits), so a plain hash is enough. Empty lines and
// lines that begin with # are passed over. Immutable; any thread.
#pragma once

#include <array>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "actors/principal.hpp"

namespace lamina {

class token_table {
 public:
  using hash = std::array<unsigned char, 32>;

  /// No file: an empty table. invalid_argument with FILE:LINE for a line that
  /// is none; forbidden when others may read the file or write to it.
  static result<token_table> read(const std::filesystem::path& file);

  /// The bearer of a token; nothing for one that nobody has. Takes as long
  /// for one as for another: every line is compared, in constant time.
  std::optional<principal> bearer_of(std::string_view token) const;

  std::size_t size() const { return entries_.size(); }

 private:
  struct entry {
    hash digest{};
    principal who;
  };

  static result<entry> parse(std::string_view line);
  std::vector<entry> entries_;
};

/// Appends a new token to the file, which is made with mode 0600, and gives
/// the token: nobody can read it again. already_exists: the name is taken.
result<std::string> add_token(const std::filesystem::path& file,
                              const std::string& name,
                              const std::string& scopes,
                              const std::string& groups);

/// not_found when there is none of that name.
result<void> remove_token(const std::filesystem::path& file,
                          const std::string& name);

}  // namespace lamina

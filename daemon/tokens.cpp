#include "daemon/tokens.hpp"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

namespace lamina {
namespace {

constexpr std::size_t name_bytes_max = 64;

bool is_name(std::string_view text) {
  auto fits = [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
  };
  return !text.empty() && text.size() <= name_bytes_max &&
         std::ranges::all_of(text, fits);
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, ',');)
    parts.push_back(part);
  return parts;
}

error wrong(const std::string& what) {
  return {error_code::invalid_argument, what};
}

result<scope_set> parse_scopes(const std::string& text) {
  scope_set scopes;
  for (const auto& word : split(text)) {
    bool known = false;
    for (auto s : {scope::read, scope::generate, scope::admin})
      if (word == to_string(s)) {
        scopes.add(s);
        known = true;
      }
    if (!known)
      return wrong("'" + word + "' is not a scope: read, generate or admin");
  }
  if (scopes.empty()) return wrong("a token needs a scope");
  return scopes;
}

result<std::shared_ptr<const std::vector<std::string>>> parse_groups(
    const std::string& text) {
  auto groups = split(text);
  for (const auto& group : groups)
    if (!is_name(group)) return wrong("'" + group + "' is not a group's name");
  return std::make_shared<const std::vector<std::string>>(std::move(groups));
}

std::string to_hex(const unsigned char* bytes, std::size_t count) {
  constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < count; ++i) {
    text += digits[bytes[i] >> 4];
    text += digits[bytes[i] & 15];
  }
  return text;
}

bool from_hex(std::string_view text, token_table::hash& into) {
  if (text.size() != 2 * into.size()) return false;
  auto digit = [](char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
  };
  for (std::size_t i = 0; i < into.size(); ++i) {
    const int high = digit(text[2 * i]);
    const int low = digit(text[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    into[i] = static_cast<unsigned char>(high << 4 | low);
  }
  return true;
}

token_table::hash hash_of(std::string_view token) {
  token_table::hash digest;
  SHA256(reinterpret_cast<const unsigned char*>(token.data()), token.size(),
         digest.data());
  return digest;
}

/// Whoever may write the file may let anybody in.
result<void> check_mode(const std::filesystem::path& file) {
  struct stat found {};
  if (::stat(file.c_str(), &found) != 0) return success();
  if ((found.st_mode & 0037) == 0 &&
      (found.st_uid == 0 || found.st_uid == ::geteuid()))
    return success();
  return fail(error_code::forbidden,
              file.string() +
                  " must belong to root or the daemon's user, and others must "
                  "not read it nor its group write to it: chmod 0600 it");
}

result<std::string> contents_of(const std::filesystem::path& file) {
  std::error_code unknown;
  if (!std::filesystem::exists(file, unknown)) return std::string();
  std::ifstream in(file);
  std::stringstream whole;
  whole << in.rdbuf();
  if (!in) return fail(error_code::io_error, "cannot read " + file.string());
  return whole.str();
}

/// In one step, so that a daemon that reads it now sees all or nothing.
result<void> replace(const std::filesystem::path& file,
                     const std::string& text) {
  const auto fresh = file.string() + ".new";
  auto failed = [&](const std::string& what) {
    const int reason = errno;
    return fail(error_code::io_error,
                "cannot " + what + " " + fresh + ": " + std::strerror(reason));
  };
  const int fd =
      ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return failed("make");
  const auto written = ::write(fd, text.data(), text.size());
  const bool good =
      written == static_cast<ssize_t>(text.size()) && ::fsync(fd) == 0;
  // A file that is replaced keeps its owner and mode.
  struct stat before {};
  if (good && ::stat(file.c_str(), &before) == 0 &&
      (::fchown(fd, before.st_uid, before.st_gid) != 0 ||
       ::fchmod(fd, before.st_mode & 0777) != 0)) {
    auto refused = failed("keep the owner of");
    ::close(fd);
    return refused;
  }
  ::close(fd);
  if (!good) return failed("write");
  if (::rename(fresh.c_str(), file.c_str()) != 0) return failed("rename");
  return success();
}

std::string name_on(const std::string& line) {
  std::string name;
  std::istringstream(line) >> name;
  return name;
}

}  // namespace

result<token_table::entry> token_table::parse(std::string_view line) {
  std::istringstream in{std::string(line)};
  std::string name, scopes, digest, groups, rest;
  in >> name >> scopes >> digest >> groups >> rest;
  if (digest.empty() || !rest.empty())
    return wrong("expected NAME SCOPES SHA256 [GROUPS]");
  if (!is_name(name))
    return wrong("'" + name + "' is not a name: letters, digits, - _ and .");
  entry e;
  e.who.token = name;
  BOOST_OUTCOME_TRY(allowed, parse_scopes(scopes));
  e.who.scopes = allowed;
  if (!from_hex(digest, e.digest))
    return wrong("the third word must be a SHA-256 in 64 hexadecimal digits");
  BOOST_OUTCOME_TRY(of, parse_groups(groups));
  e.who.groups = of;
  return e;
}

result<token_table> token_table::read(const std::filesystem::path& file) {
  BOOST_OUTCOME_TRYV(check_mode(file));
  BOOST_OUTCOME_TRY(text, contents_of(file));
  token_table table;
  std::istringstream lines(text);
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (name_on(line).empty() || name_on(line).front() == '#') continue;
    const auto place = file.string() + ":" + std::to_string(number);
    auto parsed = parse(line);
    if (!parsed) return within(place, parsed.error());
    for (const auto& other : table.entries_)
      if (other.who.token == parsed.value().who.token)
        return within(
            place, wrong("a second token is called '" + other.who.token + "'"));
    table.entries_.push_back(std::move(parsed).value());
  }
  return table;
}

std::optional<principal> token_table::bearer_of(std::string_view token) const {
  const auto presented = hash_of(token);
  const entry* found = nullptr;
  for (const auto& e : entries_)
    if (CRYPTO_memcmp(e.digest.data(), presented.data(), presented.size()) == 0)
      found = &e;
  if (!found) return std::nullopt;
  return found->who;
}

result<std::string> add_token(const std::filesystem::path& file,
                              const std::string& name,
                              const std::string& scopes,
                              const std::string& groups) {
  if (!is_name(name))
    return wrong("'" + name + "' is not a name: letters, digits, - _ and .");
  BOOST_OUTCOME_TRYV(parse_scopes(scopes));
  BOOST_OUTCOME_TRYV(parse_groups(groups));
  BOOST_OUTCOME_TRYV(token_table::read(file));
  BOOST_OUTCOME_TRY(text, contents_of(file));
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);)
    if (name_on(line) == name)
      return fail(error_code::already_exists,
                  "a token is called '" + name + "' already");
  unsigned char secret[32];
  if (RAND_bytes(secret, sizeof secret) != 1)
    return fail(error_code::internal, "no random numbers to make a token of");
  const auto token = "lamina_" + to_hex(secret, sizeof secret);
  const auto digest = hash_of(token);
  if (!text.empty() && text.back() != '\n') text += '\n';
  text += name + ' ' + scopes + ' ' + to_hex(digest.data(), digest.size());
  if (!groups.empty()) text += ' ' + groups;
  BOOST_OUTCOME_TRYV(replace(file, text + '\n'));
  return token;
}

result<void> remove_token(const std::filesystem::path& file,
                          const std::string& name) {
  BOOST_OUTCOME_TRY(text, contents_of(file));
  std::istringstream lines(text);
  std::string kept;
  bool found = false;
  for (std::string line; std::getline(lines, line);) {
    if (name_on(line) == name)
      found = true;
    else
      kept += line + '\n';
  }
  if (!found)
    return fail(error_code::not_found,
                "no token is called '" + name + "' in " + file.string());
  return replace(file, kept);
}

}  // namespace lamina

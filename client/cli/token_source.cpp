#include "client/cli/token_source.hpp"

#include <sys/stat.h>

#include <cstdlib>
#include <fstream>

namespace lamina::cli {
namespace {

result<std::string> read_token(const std::string& file) {
  std::ifstream in(file);
  std::string line;
  if (!in || !std::getline(in, line) || line.empty())
    return fail(error_code::io_error, "cannot read a token from " + file);
  struct stat found {};
  if (::stat(file.c_str(), &found) == 0 && (found.st_mode & 0077) != 0)
    return fail(error_code::forbidden,
                "others can read the token in " + file + ": chmod 0600 it");
  return line;
}

}  // namespace

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

result<std::string> find_token(const std::string& file) {
  if (!file.empty()) return read_token(file);
  if (auto token = environment("LAMINA_TOKEN"); !token.empty()) return token;
  if (auto named = environment("LAMINA_TOKEN_FILE"); !named.empty())
    return read_token(named);
  return std::string();
}

}  // namespace lamina::cli

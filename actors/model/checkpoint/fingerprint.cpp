#include "actors/model/checkpoint/fingerprint.hpp"

#include <unistd.h>

#include <fstream>
#include <optional>
#include <string>
#include <system_error>

namespace lamina {
namespace {

// What the files are now, without reading them.
digest identity(std::string_view config_text, const checkpoint& weights) {
  digest_builder builder;
  builder.add(config_text);
  for (const auto& file : weights.files) {
    const file_identity id = file->identity();
    for (const std::uint64_t number :
         {id.device, id.inode, id.bytes, id.modified_ns, id.changed_ns})
      builder.add(number);
  }
  return builder.finish();
}

std::optional<digest> read_digest(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::string text;
  if (!(in >> text)) return std::nullopt;
  return digest_from_text(text);
}

void write_digest(const std::filesystem::path& file, const digest& d) {
  std::error_code failed;
  std::filesystem::create_directories(file.parent_path(), failed);
  const std::filesystem::path fresh = file.string() + "." +
                                      std::to_string(::getpid()) + "." +
                                      std::to_string(::gettid());
  {
    std::ofstream out(fresh);
    out << to_string(d) << '\n';
    if (!out.flush()) failed = std::make_error_code(std::errc::io_error);
  }
  if (!failed) std::filesystem::rename(fresh, file, failed);
  if (failed) std::filesystem::remove(fresh, failed);
}

}  // namespace

result<digest> fingerprint(std::string_view config_text,
                           const checkpoint& weights,
                           const std::stop_token& stop) {
  digest_builder builder;
  builder.add(config_text);
  for (const auto& file : weights.files) {
    if (stop.stop_requested())
      return fail(error_code::cancelled,
                  "the fingerprint was not finished: loading was stopped");
    builder.add(file->bytes());
  }
  return builder.finish();
}

result<digest> kept_fingerprint(const std::filesystem::path& kept,
                                std::string_view config_text,
                                const checkpoint& weights,
                                const std::stop_token& stop) {
  if (kept.empty()) return fingerprint(config_text, weights, stop);
  const digest before = identity(config_text, weights);
  const auto file = kept / to_string(before);
  if (const auto known = read_digest(file)) return *known;
  BOOST_OUTCOME_TRY(made, fingerprint(config_text, weights, stop));
  // Somebody may have written to the files meanwhile.
  if (identity(config_text, weights) == before) write_digest(file, made);
  return made;
}

}  // namespace lamina

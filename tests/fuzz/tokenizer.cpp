// tokenizer.json; what is accepted must then encode text and give it back.
#include <algorithm>
#include <fstream>

#include "actors/model/tokenizer/tokenizer.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace lamina {
namespace {

/// One directory for the whole run: tokenizers are read from one.
const std::filesystem::path& directory() {
  static const std::filesystem::path made = [] {
    std::string path =
        (std::filesystem::temp_directory_path() / "lamina-fuzz-XXXXXX")
            .string();
    fuzz::expect(::mkdtemp(path.data()) != nullptr, "a directory can be made");
    static const std::filesystem::path kept = path;
    std::atexit([] {
      std::error_code ignored;
      std::filesystem::remove_all(kept, ignored);
    });
    return kept;
  }();
  return made;
}

void use(const tokenizer& made) {
  for (const std::string_view text : {"", "A fox, 12 m\xc3\xa9tres.\n", "<s>"})
    for (const bool special : {false, true}) {
      const auto ids = made.encode(text, {special, special});
      if (ids.has_error()) return fuzz::expect_clear(ids.error());
      for (const token_id id : ids.value()) {
        fuzz::expect(id < made.size(), "tokens are below the size");
        made.bytes_of(id);
        made.is_special(id);
      }
    }
}

}  // namespace
}  // namespace lamina

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* first,
                                      std::size_t size) {
  using namespace lamina;
  std::ofstream(directory() / "tokenizer.json", std::ios::binary)
      .write(reinterpret_cast<const char*>(first),
             static_cast<std::streamsize>(size));
  const auto made = tokenizer::load(directory());
  if (made.has_error())
    fuzz::expect_clear(made.error());
  else
    use(*made.value());
  return 0;
}

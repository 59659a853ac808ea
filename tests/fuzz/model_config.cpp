// config.json and generation_config.json.
#include "actors/model/checkpoint/config.hpp"
#include "tests/fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* first,
                                      std::size_t size) {
  using namespace lamina;
  const std::string_view text(reinterpret_cast<const char*>(first), size);
  if (const auto config = parse_llama_config(text); config.has_error()) {
    fuzz::expect_clear(config.error());
  } else {
    const llama_config& c = config.value();
    fuzz::expect(c.layers > 0 && c.width > 0 && c.vocabulary > 0 &&
                     c.heads > 0 && c.kv_heads > 0 && c.head_dim > 0 &&
                     c.context_length > 0,
                 "an accepted model has no empty dimension");
    fuzz::expect(c.heads % c.kv_heads == 0, "heads share their keys evenly");
    c.rope_text();
  }
  if (const auto ends = parse_end_tokens(text); ends.has_error())
    fuzz::expect_clear(ends.error());
  return 0;
}

// config.json and generation_config.json.
#include "actors/model/arch/family.hpp"
#include "actors/model/checkpoint/generation_config.hpp"
#include "tests/fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* first,
                                      std::size_t size) {
  using namespace lamina;
  const std::string_view text(reinterpret_cast<const char*>(first), size);
  if (const auto config = read_outline(text); config.has_error()) {
    fuzz::expect_clear(config.error());
  } else {
    const model_shape& c = config.value().shape;
    fuzz::expect(c.layers > 0 && c.width > 0 && c.vocabulary > 0 &&
                     c.heads > 0 && c.kv_heads > 0 && c.head_dim > 0 &&
                     c.context_length > 0,
                 "an accepted model has no empty dimension");
    fuzz::expect(c.heads % c.kv_heads == 0, "heads share their keys evenly");
    fuzz::expect(!config.value().positions.empty(),
                 "an accepted model has a regime of positions");
  }
  if (const auto read = parse_generation_config(text); read.has_error())
    fuzz::expect_clear(read.error());
  return 0;
}

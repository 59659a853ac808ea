// Weight files: the whole input is the file.
#include "actors/model/checkpoint/safetensors.hpp"
#include "tests/fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* first,
                                      std::size_t size) {
  using namespace lamina;
  const auto file = fuzz::bytes_of(first, size);
  const auto tensors = parse_safetensors(file);
  if (tensors.has_error()) {
    fuzz::expect_clear(tensors.error());
    return 0;
  }
  for (const auto& [name, tensor] : tensors.value()) {
    fuzz::expect(
        tensor.bytes.empty() || (tensor.bytes.data() >= file.data() &&
                                 tensor.bytes.data() + tensor.bytes.size() <=
                                     file.data() + file.size()),
        "a tensor lies inside its file");
    shape_text(tensor.shape);
  }
  return 0;
}

// What a peer sends: the input as a frame, then as the control message of a
// frame whose checksum is right.
#include <vector>

#include "protocol/frame.hpp"
#include "protocol/message.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace lamina {
namespace {

void read_frame(std::span<const std::byte> input) {
  const auto header = decode_header(input);
  const auto view = decode_frame(input);
  if (header.has_error()) {
    fuzz::expect_clear(header.error());
    fuzz::expect(view.has_error(), "no frame without a header");
  }
  if (view.has_error()) return fuzz::expect_clear(view.error());
  fuzz::expect(view.value().header == header.value(), "headers read alike");
}

/// What was unpacked can be packed again and is then the same message.
void read_message(std::span<const std::byte> input, sender from) {
  const auto body = decode_control(input, from);
  if (body.has_error()) return fuzz::expect_clear(body.error());
  const wire::Body type = body.value().type;
  fuzz::expect(may_send(from, type), "only what this side may send");
  const auto packed = encode_control(body.value());
  // Packed, shared strings are written out: it may then be too long.
  if (packed.has_error()) return fuzz::expect_clear(packed.error());
  const auto again = decode_control(
      std::as_bytes(std::span(packed.value().data(), packed.value().size())));
  fuzz::expect(again.has_value(), "a message that we packed unpacks");
  fuzz::expect(again.value().type == type, "and is of the same type");
}

}  // namespace
}  // namespace lamina

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* first,
                                      std::size_t size) {
  using namespace lamina;
  const auto input = fuzz::bytes_of(first, size);
  read_frame(input);
  read_message(input, sender::client);
  read_message(input, sender::daemon);
  return 0;
}

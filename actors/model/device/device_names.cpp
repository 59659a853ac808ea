// What devices are called. Without torch, for who reads a configuration.
#include <charconv>

#include "actors/model/device/compute_device.hpp"

namespace lamina {

std::string_view kind_name(device_kind kind) {
  switch (kind) {
    case device_kind::cpu:
      return "cpu";
    case device_kind::torch:
      return "torch";
    case device_kind::cuda:
      break;
  }
  return "cuda";
}

std::string to_string(compute_device device) {
  const std::string kind(kind_name(device.kind));
  if (device.kind != device_kind::cuda) return kind;
  return kind + ":" + std::to_string(device.index);
}

result<compute_device> read_device(std::string_view text) {
  constexpr std::string_view numbered = "cuda:";
  if (text == "cpu") return compute_device{device_kind::cpu, 0};
  if (text == "torch") return compute_device{device_kind::torch, 0};
  if (text == "cuda") return compute_device{device_kind::cuda, 0};
  std::uint8_t index = 0;  // more of them torch cannot name
  const char* end = text.data() + text.size();
  if (text.starts_with(numbered)) {
    const auto read =
        std::from_chars(text.data() + numbered.size(), end, index);
    if (read.ec == std::errc() && read.ptr == end && index < 128)
      return compute_device{device_kind::cuda, index};
  }
  return fail(error_code::invalid_argument,
              "'" + std::string(text) + "' is not cpu, cuda, cuda:N or torch");
}

}  // namespace lamina

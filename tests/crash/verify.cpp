// Reads a whole store that no daemon has open, and says whether all that it
// promises is there. For tests; it needs no model.
//
//     crash_verify DIRECTORY
#include <iostream>

#include "tests/crash/verify_store.hpp"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "crash_verify DIRECTORY\n";
    return 1;
  }
  lamina::store_options options;
  options.directory = argv[1];
  const auto opened = lamina::store::open(options);
  if (opened.has_error()) {
    std::cerr << "crash_verify: " << to_string(opened.error()) << '\n';
    return 1;
  }
  if (const auto& damage = opened.value()->opened().damage) {
    std::cerr << "crash_verify: " << damage->context << '\n';
    return 1;
  }
  const auto sound = lamina::verify_store(*opened.value());
  if (sound.has_error()) {
    std::cerr << "crash_verify: " << to_string(sound.error()) << '\n';
    return 1;
  }
  const lamina::verified& v = sound.value();
  std::cout << v.conversations << " conversations, " << v.chunks << " chunks ("
            << v.evicted << " evicted), " << v.values << " values, "
            << v.lens_blocks << " lens blocks: all sound\n";
  return 0;
}

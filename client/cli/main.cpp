#include "client/cli/arguments.hpp"

int main(int count, char** words) {
  using namespace lamina::cli;
  auto parsed = parse_arguments(count, words);
  if (const int* code = std::get_if<int>(&parsed)) return *code;
  const auto& chosen = std::get<invocation>(parsed);
  session with(chosen.common);
  const auto outcome = chosen.command(with);
  return outcome ? outcome.value() : with.report(outcome.error());
}

// What every message is made of. A message is a struct of its own, in the
// header of the actor that takes it; actors/interfaces.hpp says who takes what.
//
// Commands are verb phrases, facts are past participles. Payloads that are big
// or shared travel as `std::shared_ptr<const T>`: handlers take messages by
// const reference and copy nothing. Expected failures are `result<T>` values in
// the reply; a CAF error means that the actor asked is gone or did not answer.
//
// Messages never leave the process, so none is serialisable.
#pragma once

#include <caf/allowed_unsafe_message_type.hpp>
#include <concepts>
#include <type_traits>

#include "protocol/error.hpp"

namespace lamina {

/// The value of an answer that says no more than "done".
struct acknowledged {};
using acknowledgement = result<acknowledged>;

/// The same failure as the result of another type.
template <class T>
result<T> failed_with(const error& e) {
  return e;
}

/// Found by argument-dependent lookup for every type of ours, and for the
/// standard containers of them: what may travel in a message unserialised.
template <class T>
std::true_type is_local_message(const T&);

}  // namespace lamina

namespace caf {

template <class T>
requires requires(const T& t) {
  { is_local_message(t) } -> std::same_as<std::true_type>;
}
struct allowed_unsafe_message_type<T> : std::true_type {};

}  // namespace caf

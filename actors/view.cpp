#include "actors/view.hpp"

#include "actors/messages/codec.hpp"
#include "actors/messages/reader.hpp"
#include "actors/messages/shard.hpp"

namespace lamina {

// Here, because lists of handles are made and ended only where their replies
// are known: libstdc++ looks among the parts of their types.
system_view::system_view() = default;
system_view::system_view(const system_view&) = default;
system_view::~system_view() = default;

}  // namespace lamina

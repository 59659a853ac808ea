// The store's reading side. One object keeps one read transaction, which holds
// a snapshot only while a call runs: a snapshot that lingered would keep every
// page freed since from being used again.
#pragma once

#include <memory>

#include "actors/store/environment.hpp"

namespace lamina {

std::unique_ptr<store_reader> make_reader(std::shared_ptr<environment> env);

}  // namespace lamina

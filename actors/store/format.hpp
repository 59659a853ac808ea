// The named databases and the version of what is in them.
//
// Version 1 (until November 2026) counted references alone, in a database
// `references`. Version 2 knows who refers to a name and what it holds, keeps
// an access order, and totals of payload. Opening a store of version 1 makes
// it one of version 2, in one transaction; a newer version is refused.
#pragma once

#include "actors/store/environment.hpp"

namespace lamina {

/// Raised when the layout changes.
inline constexpr std::uint32_t store_format_version = 4;

/// Opens or creates the databases.
result<void> open_databases(environment& e);

/// Opens the databases, checks the version, migrates.
/// unsupported_version, naming both, for a newer one.
result<void> prepare_format(environment& e);

}  // namespace lamina

// What makes two checkpoints the same model, and a place to remember it.
//
// Hashing a large checkpoint takes as long as reading it, so a fingerprint is
// kept under what the kernel says of the files: device, inode, size and times.
// A file that was written to, replaced or copied is hashed again. One small
// file a checkpoint, written whole and renamed, so that models which load at
// once do not meet. Any thread.
#pragma once

#include <filesystem>
#include <stop_token>
#include <string_view>

#include "actors/chunks/digest.hpp"
#include "actors/model/checkpoint/checkpoint.hpp"
#include "protocol/error.hpp"

namespace lamina {

/// SHA-256 over the text of config.json and every byte of the weight files, in
/// the order of their names. cancelled, before the next file, when `stop`
/// asks for it.
result<digest> fingerprint(std::string_view config_text,
                           const checkpoint& weights,
                           const std::stop_token& stop = {});

/// The same, from `kept` where it is known, else hashed and kept there. An
/// empty `kept` keeps nothing; a directory that cannot be written to costs
/// only the next hashing.
result<digest> kept_fingerprint(const std::filesystem::path& kept,
                                std::string_view config_text,
                                const checkpoint& weights,
                                const std::stop_token& stop = {});

}  // namespace lamina

// Writes a conversation to files, as it streams from the daemon: memory holds
// one frame. Every file is there whole or not at all.
#pragma once

#include <cstdint>
#include <string>

#include "client/cli/conversation_file.hpp"
#include "client/cpp/client.hpp"

namespace lamina::cli {

struct exported {
  std::uint64_t rows = 0;  // positions with activations
  std::uint64_t lens = 0;  // positions with lens records
  std::uint64_t bytes = 0;
  std::uint64_t files = 0;
  float relative_error = 0;  // of the worst row; 0: exact
};

/// One self-describing file (conversation_file.hpp).
result<exported> export_to_file(client& daemon,
                                const wire::ConversationT& conversation,
                                const std::string& path);

/// A file for each site and layer, and conversation.json with the document.
/// `npy`: float32 for numpy; else .safetensors in the conversation's dtype. The
/// directory is made if it is not there.
result<exported> export_to_directory(client& daemon,
                                     const wire::ConversationT& conversation,
                                     const std::string& directory, bool npy);

}  // namespace lamina::cli

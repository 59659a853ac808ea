// The view: who is there. An immutable table of handles that the supervisor
// makes anew whenever an actor was started or lost, shared by all who need
// another actor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "actors/chunks/backpressure.hpp"
#include "actors/chunks/digest.hpp"
#include "actors/codec/book_shelf.hpp"
#include "actors/codec/quality.hpp"
#include "actors/interfaces.hpp"
#include "actors/messages/message.hpp"
#include "actors/tunables.hpp"

namespace lamina {

class model;

/// A model as the rest of the system sees it.
struct hosted_model {
  std::shared_ptr<const lamina::model>
      model;           // null while it loads or when loading failed
  model_actor actor;   // null when down
  std::string health;  // "up", "loading", or why it is down
  quality kept = quality::lossless;  // of its activations, unless asked else
  backpressure when_full = backpressure::wait;            // likewise
  std::uint64_t in_flight_bytes_max = 256u << 20;         // of one sequence
  std::map<std::string, std::filesystem::path> lenses{};  // tuned, by name
};

/// What holds for every model that is loaded.
struct hosting_policy {
  std::vector<std::filesystem::path> roots;  // that clients may load from
  std::uint64_t memory_bytes = 0;  // copies of weights; 0: what is free
};

/// Limits from the configuration that answers speak of; 0: none.
struct system_budgets {
  std::uint64_t disk_bytes = 0;
  std::uint64_t memory_bytes = 0;
  std::uint64_t in_flight_bytes = 0;  // of each model
};

/// The handles at one moment. An actor that died keeps its old handle until it
/// is started again, so a request to it fails at once; a model's is null.
struct system_view {
  system_view();
  system_view(const system_view&);
  ~system_view();

  supervisor_actor supervisor;
  disk_actor disk;
  catalog_actor catalog;
  prefetch_actor prefetch;
  search_actor search;
  auditor_actor auditor;
  restorer_actor restorer;
  lens_actor lens_clicks;
  lens_actor lens_backlog;
  tokenizer_actor tokenizer;
  recorder_actor recorder;
  std::vector<shard_actor> shards;
  std::vector<reader_actor> readers;
  std::vector<codec_actor> codecs;
  std::vector<codec_actor> decoders;  // for reads
  book_learner_actor book_learner;
  book_shelf_ptr books = std::make_shared<const book_shelf>();
  std::map<std::string, hosted_model> models;
  system_budgets budgets;
  tunables tuned;
  std::shared_ptr<const std::string> configuration;  // JSON; null: none
  hosting_policy hosting;

  const shard_actor& shard_of(const digest& name) const {
    return shards[digest_hash{}(name) % shards.size()];
  }
  const reader_actor& reader_of(const digest& name) const {
    return readers[(digest_hash{}(name) >> 8) % readers.size()];
  }
  /// For share `i` of what is read of a chunk.
  const codec_actor& decoder_of(const digest& name, std::size_t i) const {
    return decoders[((digest_hash{}(name) >> 24) + i) % decoders.size()];
  }
  const codec_actor& codec_of(const digest& name) const {
    return codecs[(digest_hash{}(name) >> 16) % codecs.size()];
  }
};

/// Sent to whoever keeps a view, after an actor was started, restarted or lost.
struct view_changed {
  view_ptr view;
};

}  // namespace lamina

// The commands: each asks the daemon, prints the answer and returns the exit
// code, or the error that main reports. Main thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "client/cli/bench.hpp"
#include "client/cli/session.hpp"

namespace lamina::cli {

result<int> show_status(session& with);
result<int> list_models(session& with);

struct load_options {
  std::string model;    // NAME=DIRECTORY
  std::string dtype;    // empty: as stored
  std::string device;   // empty: cpu
  std::string quality;  // empty: as configured
  std::string weights;  // empty: as stored
};
result<int> load_model(session& with, const load_options& options);
result<int> unload_model(session& with, const std::string& name);

struct model_plan_options {
  std::string directory;
  std::string dtype;    // empty: as stored
  std::string device;   // empty: cpu
  std::string weights;  // empty: as stored
};
/// exit_code::failed when it does not fit.
result<int> plan_model(session& with, const model_plan_options& options);

result<int> ping(session& with, std::uint32_t count);

struct generate_options {
  std::string model;         // empty: the conversation's, or the only one
  std::string conversation;  // empty: a new one
  std::string prompt;        // "-": standard input
  std::uint32_t max_new_tokens = 128;
  float temperature = 0;
  bool model_sampling = false;  // as its generation_config.json asks
  std::uint32_t top_k = 0;
  float top_p = 1;
  std::optional<std::uint64_t> seed;  // none: drawn, if it matters
  std::vector<std::string> stop;
  bool no_capture = false;
  std::string quality;       // of the activations; empty: the model's
  std::string backpressure;  // "wait", "drop"; empty: the daemon's
  std::string lens = "deferred";
  bool wait_durable = false;
  bool keep_running = false;
};
result<int> generate(session& with, const generate_options& options);

struct attach_options {
  std::string conversation;
  std::uint32_t from_position = 0;
  bool wait_durable = false;
};
result<int> attach(session& with, const attach_options& options);

struct lens_options {
  std::string conversation;
  std::string position;   // a number, or "last"; empty: a range
  std::string positions;  // BEGIN:END; empty: `position`
  std::string layers;     // empty: all
  std::uint32_t top_k = 10;
  std::uint32_t context = 15;      // of a single position
  std::vector<std::string> track;  // "#ID", or the text of one token
  std::string lens;                // a tuned one's name; empty: the model's own
  bool exact = false;
  bool follow = false;
  std::string output;  // a file for the document; empty: stdout
};
result<int> show_lens(session& with, const lens_options& options);
result<int> backfill_lens(session& with, const std::string& conversation);

/// A number, or "last"; the daemon knows which position that is.
result<position_t> find_position(client& daemon, const std::string& id,
                                 const std::string& words);

struct activations_options {
  std::string conversation;
  std::string positions = ":";
  std::string layers;  // empty: all
  std::string sites = "resid_post";
  std::string output;
  bool exact = false;
};
result<int> save_activations(session& with, const activations_options& options);

struct search_options {
  std::string conversation;  // the query: empty with a vector, or by text
  std::string position;      // a number, or "last"
  std::string vector;        // a file; empty: none
  std::string tensor;        // of the file; empty: the only one
  std::optional<std::uint16_t> layer;
  std::string site = "resid_post";
  std::string metric = "cosine";
  std::uint32_t top = 20;
  std::uint32_t context = 8;
  bool include_query = false;
  std::vector<std::string> in;  // empty: all
  std::string model;            // empty: any that fits
  std::string role;             // empty: any
  std::string positions = ":";
  std::string text;
  std::string match = "across";
};
result<int> search(session& with, const search_options& options);

struct verify_options {
  std::string conversation;  // empty: all
  std::uint32_t sample = 16;
};
/// exit_code::failed when something is wrong with what is stored.
result<int> verify_cache(session& with, const verify_options& options);
result<int> show_usage(session& with, std::uint32_t limit);

struct list_options {
  std::string model;  // empty: all
  std::uint32_t limit = 1000;
};
result<int> list_conversations(session& with, const list_options& options);
result<int> show_conversation(session& with, const std::string& conversation,
                              bool ledger);
result<int> pin_conversation(session& with, const std::string& conversation,
                             bool pinned);
result<int> fork_conversation(session& with, const std::string& conversation,
                              std::uint32_t position);
result<int> delete_conversation(session& with, const std::string& conversation);

/// Lets the members of a group read it; an empty group: nobody else.
result<int> share_conversation(session& with, const std::string& conversation,
                               const std::string& group);
result<int> show_configuration(session& with);

struct plan_options {
  std::string model;  // empty: the only one there is
  std::uint64_t tokens = 0;
  std::string quality;  // empty: the model's
  std::string lens = "deferred";
};
/// What capturing so many tokens would take.
result<int> plan(session& with, const plan_options& options);

struct bench_codec_options {
  std::string conversation;
  std::string positions = ":";
};
/// What each quality does to a conversation's own activations.
result<int> bench_codec(session& with, const bench_codec_options& options);

/// What the daemon's models do on its machine; bench.hpp says what is measured.
result<int> bench_decode(session& with, const bench_decode_options& options);
result<int> bench_capture(session& with, const bench_capture_options& options);
result<int> bench_sessions(session& with,
                           const bench_sessions_options& options);

struct put_options {
  std::string model;
  std::string fingerprint;  // empty: not known
  std::string tokens;       // a JSON file
  std::string input;        // a .safetensors file
  std::string quality;      // empty: lossless
  bool wait_durable = false;
};
result<int> put_activations(session& with, const put_options& options);

struct export_options {
  std::string conversation;
  std::string file;  // one of file and directory
  std::string directory;
  std::string format = "safetensors";  // of a directory's files
};
result<int> export_conversation(session& with, const export_options& options);
result<int> import_conversation(session& with, const std::string& path);

}  // namespace lamina::cli

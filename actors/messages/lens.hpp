// Messages of the lens actors.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

#include "actors/chunks/lens_record.hpp"
#include "actors/chunks/raw_chunk.hpp"
#include "actors/lens/lens.hpp"
#include "actors/lens/readout.hpp"
#include "actors/messages/message.hpp"
#include "actors/model/model.hpp"
#include "protocol/error.hpp"

namespace lamina {

struct compute_lens_rows {
  model_ptr model;
  std::shared_ptr<const lens_input> input;
  bool patient = false;  // sends one at a time, and is never refused
};

/// overloaded: beyond the backlog's byte budget, nothing was queued.
using lens_computed = result<lens_rows_ptr>;

/// What records do not keep, of as many rows as one slice takes.
struct compute_readout {
  model_ptr model;
  std::shared_ptr<const readout_query> query;
  ready_rows rows;
  std::vector<token_id> next;  // after each row; no_token: not known
};

using readout_computed = result<readout_ptr>;

/// A tuned lens of the model, opened once and kept.
struct open_lens_maps {
  model_ptr model;
  std::filesystem::path file;
};

using lens_maps_opened = result<lens_maps_ptr>;

struct get_lens_status {};

struct lens_status {
  std::uint64_t queued = 0;
  std::uint64_t queued_bytes = 0;
  std::uint64_t computed_positions = 0;
  std::uint64_t refused = 0;
};

}  // namespace lamina

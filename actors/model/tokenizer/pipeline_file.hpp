// The steps around the model in a tokenizer.json: normalizer, pre_tokenizer,
// post_processor, decoder. Any thread.
#pragma once

#include "actors/model/tokenizer/json_file.hpp"
#include "actors/model/tokenizer/tokenizer_file.hpp"

namespace lamina {

/// Fills `out`'s steps from the document. corrupt or unsupported, with the
/// place.
result<void> read_pipeline(const json_place& root, tokenizer_file& out);

}  // namespace lamina

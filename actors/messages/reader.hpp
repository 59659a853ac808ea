// Messages of the readers: what is read from disk to answer with. The auditor
// takes some of them too.
#pragma once

#include <vector>

#include "actors/chunks/lens_record.hpp"
#include "actors/chunks/stored_value.hpp"
#include "actors/messages/message.hpp"
#include "actors/store/records.hpp"
#include "actors/store/reports.hpp"
#include "protocol/error.hpp"

namespace lamina {

struct read_conversations {};

struct read_chunks {
  conversation_id id = 0;
};

struct read_values {
  std::vector<value_key> keys;
};

struct read_lens {
  digest name;
};

struct read_statistics {};

struct conversations_found {
  std::vector<conversation_record> records;
  std::vector<error> passed_over;  // damaged records, each naming its id
};

using conversations_read = result<conversations_found>;

using chunks_read = result<std::vector<chunk_record>>;

using values_read = result<std::vector<stored_value_ptr>>;

using lens_read = result<lens_block_ptr>;

using statistics_read = result<store_statistics>;

}  // namespace lamina

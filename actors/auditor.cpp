#include "actors/auditor.hpp"

#include <algorithm>
#include <caf/all.hpp>
#include <utility>

#include "actors/messages/reader.hpp"

namespace lamina {
namespace {

constexpr site sites[] = {site::embed, site::resid_post, site::final_norm};

presence promised_of(const chunk_record& chunk, site at) {
  return at == site::embed        ? chunk.embed
         : at == site::final_norm ? chunk.final_norm
                                  : chunk.resid_post;
}

std::uint32_t layer_end_of(const value_key& key, const capture_shape& shape) {
  return is_per_layer(key.at)
             ? std::min(shape.layers, key.first_layer + layers_per_value(shape))
             : 1;
}

/// What a sound value adds to the sums of its quality.
fidelity stored_of(const stored_header& header, std::size_t bytes) {
  fidelity one;
  one.values = 1;
  one.stored_bytes = bytes;
  one.stored_error_max = header.errors.row;
  one.stored_error_sum = double{header.errors.row};
  return one;
}

}  // namespace

contents_read auditor_state::contents(const read_contents& m) {
  return reader->contents(m.names, m.values ? stored_head_bytes : 0);
}

/// A value that the ledger promises may have been evicted, or its chunk
/// deleted, since the ledger was read: then it is not lost.
result<bool> auditor_state::is_lost(const audited_chunk& chunk, site at) {
  BOOST_OUTCOME_TRY(now, reader->contents({&chunk.name, 1}, 0));
  return now.front().references != 0 && !now.front().was_evicted(at);
}

/// Decodes all of it, into `check.rows()`.
result<stored_header> auditor_state::check_value(const stored_value& value,
                                                 const capture_shape& shape) {
  const auto book = books.find(value.book, *reader);
  auto header = check.verify(value, shape, book ? book.value() : nullptr);
  // Sound but for its book: what is wrong with that.
  if (!header && header.error().code == error_code::not_found && !book)
    return book.error();
  return header;
}

result<void> auditor_state::verify_site(const audited_chunk& chunk, site at,
                                        presence promised, std::size_t place,
                                        chunks_verified& into) {
  for (const auto& key : value_keys(chunk.name, at, chunk.shape)) {
    // One at a time: its memory serves for the next.
    BOOST_OUTCOME_TRY(values, reader->values({&key, 1}));
    const auto& value = values.front();
    finding found{place,           at,
                  key.first_layer, layer_end_of(key, chunk.shape),
                  defect::corrupt, {}};
    if (value == nullptr) {
      if (promised != presence::present) continue;
      BOOST_OUTCOME_TRY(lost, is_lost(chunk, at));
      if (!lost) continue;
      found.kind = defect::missing;
      found.what = "the ledger says present, and nothing is stored";
      into.findings.push_back(std::move(found));
      continue;
    }
    ++into.values;
    into.value_bytes += value->bytes.size();
    const auto header = check_value(*value, chunk.shape);
    if (header) {
      into.found[header.value().kept].include(
          stored_of(header.value(), value->bytes.size()));
      continue;
    }
    if (header.error().code != error_code::corrupt)
      found.kind = defect::unreadable;
    found.what = to_string(header.error());
    into.findings.push_back(std::move(found));
  }
  return success();
}

result<void> auditor_state::verify_lens(const audited_chunk& chunk,
                                        std::size_t place,
                                        chunks_verified& into) {
  const auto block = reader->lens(chunk.name);
  finding found{place, std::nullopt, 0, chunk.shape.layers, defect::corrupt,
                {}};
  if (!block) {
    if (block.error().code != error_code::corrupt) return block.error();
    found.what = to_string(block.error());
    into.findings.push_back(std::move(found));
    return success();
  }
  if (block.value() != nullptr) {
    ++into.lens_blocks;
    return success();
  }
  if (chunk.promised.lens != presence::present) return success();
  BOOST_OUTCOME_TRY(now, reader->contents({&chunk.name, 1}, 0));
  if (now.front().references == 0) return success();
  found.kind = defect::missing;
  found.what = "the ledger says present, and nothing is stored";
  into.findings.push_back(std::move(found));
  return success();
}

result<void> auditor_state::verify_one(const audited_chunk& chunk,
                                       std::size_t place,
                                       chunks_verified& into) {
  for (const auto at : sites) {
    BOOST_OUTCOME_TRYV(
        verify_site(chunk, at, promised_of(chunk.promised, at), place, into));
  }
  return verify_lens(chunk, place, into);
}

verification_result auditor_state::verify(const verify_chunks& m) {
  chunks_verified answer;
  const auto last =
      std::min(m.chunks->size(), m.begin + std::size_t{options.slice_chunks});
  answer.end = m.begin;
  while (answer.end < last && answer.value_bytes < options.slice_bytes) {
    BOOST_OUTCOME_TRYV(verify_one((*m.chunks)[answer.end], answer.end, answer));
    ++answer.end;
  }
  return answer;
}

comparison_result auditor_state::compare(const compare_rows& m) {
  rows_compared answer;
  const auto& chunk = m.chunk;
  for (const auto at : sites)
    for (const auto& key : value_keys(chunk.name, at, chunk.shape)) {
      BOOST_OUTCOME_TRY(values, reader->values({&key, 1}));
      if (values.front() == nullptr) continue;
      const auto header = check_value(*values.front(), chunk.shape);
      if (!header) continue;  // verifying has told
      const auto one = lamina::compare(header.value(), check.rows(), *m.exact);
      answer.found[header.value().kept].include(one.found);
      if (one.rows_beyond == 0) continue;
      answer.findings.push_back(
          {0, at, one.worst.layer, one.worst.layer + 1, defect::differs,
           std::to_string(one.rows_beyond) +
               " rows differ from what the model computes by more than their "
               "error explains; position " +
               std::to_string(first_position(chunk.index) + one.worst.row) +
               " by " + std::to_string(one.worst.error)});
    }
  return answer;
}

auditor_actor::behavior_type auditor(auditor_state::pointer self,
                                     std::shared_ptr<store> environment,
                                     audit_options options) {
  auto& state = self->state;
  state.options = options;
  state.environment = std::move(environment);
  state.reader = state.environment->reader();
  return {
      [&state](const read_conversations&) -> conversations_read {
        BOOST_OUTCOME_TRY(records, state.reader->conversations());
        return conversations_found{std::move(records),
                                   state.reader->passed_over()};
      },
      [&state](const read_chunks& m) { return state.reader->chunks(m.id); },
      [&state](const read_contents& m) { return state.contents(m); },
      [&state](const read_statistics&) {
        return state.environment->statistics();
      },
      [&state](const read_usage&) { return state.environment->usage(); },
      [&state](const read_usage_of& m) {
        return state.environment->usage_of(m.id);
      },
      [&state](const verify_chunks& m) { return state.verify(m); },
      [&state](const compare_rows& m) { return state.compare(m); },
  };
}

}  // namespace lamina

#include "tests/crash/verify_store.hpp"

#include <bit>
#include <string>

#include "actors/codec/codec.hpp"

namespace lamina {
namespace {

error wrong(const std::string& what) {
  return {error_code::corrupt, what};
}

result<void> verify_value(const stored_value_ptr& value, const value_key& key,
                          std::uint32_t rows) {
  if (value == nullptr)
    return wrong("a value is missing that should be present");
  BOOST_OUTCOME_TRY(header, check(key, value->bytes));
  if (header.rows < rows || value->rows != header.rows)
    return wrong("a value holds other rows than its records say");
  std::vector<std::byte> out(header.shape.row_bytes() * header.rows *
                             header.layers);
  return decode_part(
      header, value->bytes,
      {key.first_layer, key.first_layer + header.layers, 0, header.rows}, out);
}

result<void> verify_site(store_reader& reader, const conversation_record& c,
                         const chunk_record& chunk, site at, presence is,
                         verified& done) {
  done.evicted += is == presence::evicted && at == site::resid_post ? 1 : 0;
  if (is != presence::present) return success();
  const auto keys = value_keys(chunk.name, at, c.shape);
  BOOST_OUTCOME_TRY(values, reader.values(keys));
  const auto rows = static_cast<std::uint32_t>(chunk.tokens.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    BOOST_OUTCOME_TRYV(verify_value(values[i], keys[i], rows));
  }
  done.values += keys.size();
  return success();
}

result<void> verify_lens(store_reader& reader, const chunk_record& chunk,
                         verified& done) {
  if (chunk.lens != presence::present) return success();
  BOOST_OUTCOME_TRY(block, reader.lens(chunk.name));
  if (block == nullptr)
    return wrong("a lens block is missing that should be present");
  const std::uint32_t all = (1u << chunk.tokens.size()) - 1;
  if ((block->complete & all) != all)
    return wrong("a lens block lacks rows of its chunk");
  done.lens_blocks += 1;
  return success();
}

result<void> verify_conversation(store_reader& reader,
                                 const conversation_record& c, verified& done) {
  BOOST_OUTCOME_TRY(chunks, reader.chunks(c.id));
  for (const chunk_record& chunk : chunks) {
    BOOST_OUTCOME_TRYV(
        verify_site(reader, c, chunk, site::embed, chunk.embed, done));
    BOOST_OUTCOME_TRYV(verify_site(reader, c, chunk, site::resid_post,
                                   chunk.resid_post, done));
    BOOST_OUTCOME_TRYV(verify_site(reader, c, chunk, site::final_norm,
                                   chunk.final_norm, done));
    BOOST_OUTCOME_TRYV(verify_lens(reader, chunk, done));
  }
  done.conversations += 1;
  done.chunks += chunks.size();
  return success();
}

result<void> verify_accounts(store& s) {
  BOOST_OUTCOME_TRY(repaired, s.repair(1u << 30));
  if (repaired.repaired() != 0 || repaired.more)
    return wrong(std::to_string(repaired.repaired()) +
                 " records disagreed and had to be put right");
  BOOST_OUTCOME_TRY(counted, s.statistics());
  const file_accounts& f = counted.file;
  if (f.file_bytes + f.unwritten_bytes - f.behind_bytes !=
      f.own_bytes + f.live_bytes + f.rounding_bytes + f.free_bytes)
    return wrong("the file's accounts do not add up");
  return success();
}

}  // namespace

result<verified> verify_store(store& s) {
  verified done;
  const auto reader = s.reader();
  BOOST_OUTCOME_TRY(all, reader->conversations());
  for (const error& damaged : reader->passed_over())
    return damaged;
  for (const conversation_record& c : all) {
    const auto sound = verify_conversation(*reader, c, done);
    if (sound.has_error())
      return wrong("conversation " + std::to_string(c.id) + ": " +
                   to_string(sound.error()));
  }
  BOOST_OUTCOME_TRYV(verify_accounts(s));
  return done;
}

}  // namespace lamina

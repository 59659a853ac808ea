#include "actors/model/tokenizer/pipeline_file.hpp"

#include <functional>

namespace lamina {

namespace {

using step_reader =
    std::function<result<void>(const json_place&, const std::string& type)>;

/// Calls `read` for each step of a possibly nested Sequence, whose members
/// stand under `members`. Null has no steps.
result<void> each_step(const json_place& place, const char* members,
                       const step_reader& read) {
  if (place.is_null()) return success();
  BOOST_OUTCOME_TRYV(place.must_be_object());
  BOOST_OUTCOME_TRY(type, place.at("type").text());
  if (type != "Sequence") return read(place, type);
  const json_place steps = place.at(members);
  BOOST_OUTCOME_TRYV(steps.must_be_array());
  for (std::size_t i = 0; i < steps.value().size(); ++i) {
    BOOST_OUTCOME_TRYV(each_step(steps.at(i), members, read));
  }
  return success();
}

error unknown_step(const json_place& place, const std::string& type) {
  return place.at("type").wrong(error_code::unsupported,
                                "\"" + type + "\" is not supported here");
}

result<void> read_normalizer(const json_place& place, tokenizer_file& out) {
  return each_step(
      place, "normalizers",
      [&](const json_place& step, const std::string& type) -> result<void> {
        if (type != "NFC") return unknown_step(step, type);
        out.nfc = true;
        return success();
      });
}

result<split_behavior> read_behavior(const json_place& place) {
  BOOST_OUTCOME_TRY(name, place.text());
  if (name == "Removed") return split_behavior::removed;
  if (name == "Isolated") return split_behavior::isolated;
  if (name == "MergedWithPrevious") return split_behavior::merged_with_previous;
  if (name == "MergedWithNext") return split_behavior::merged_with_next;
  if (name == "Contiguous") return split_behavior::contiguous;
  return place.wrong(error_code::unsupported, "\"" + name + "\"");
}

result<split_step> read_split(const json_place& place) {
  split_step step;
  const json_place pattern = place.at("pattern");
  BOOST_OUTCOME_TRYV(pattern.must_be_object());
  step.literal = !pattern.at("String").is_null();
  BOOST_OUTCOME_TRY(text, pattern.at(step.literal ? "String" : "Regex").text());
  step.pattern = std::move(text);
  BOOST_OUTCOME_TRY(behavior, read_behavior(place.at("behavior")));
  step.behavior = behavior;
  BOOST_OUTCOME_TRY(invert, place.at("invert").boolean(false));
  step.invert = invert;
  return step;
}

result<split_step> read_digits(const json_place& place) {
  BOOST_OUTCOME_TRY(each, place.at("individual_digits").boolean(false));
  return split_step{
      .pattern = "\\p{N}",
      .behavior = each ? split_behavior::isolated : split_behavior::contiguous};
}

result<void> read_byte_level(const json_place& place, tokenizer_file& out) {
  BOOST_OUTCOME_TRY(space, place.at("add_prefix_space").boolean(true));
  BOOST_OUTCOME_TRY(words, place.at("use_regex").boolean(true));
  out.add_prefix_space = space;
  out.split_words = words;
  return success();
}

result<void> read_pre_tokenizer(const json_place& place, tokenizer_file& out) {
  bool byte_level = false;
  BOOST_OUTCOME_TRYV(each_step(
      place, "pretokenizers",
      [&](const json_place& step, const std::string& type) -> result<void> {
        // After ByteLevel the text is in another alphabet.
        if (byte_level)
          return step.wrong(error_code::unsupported, "a step after ByteLevel");
        if (type == "ByteLevel") {
          byte_level = true;
          return read_byte_level(step, out);
        }
        if (type != "Split" && type != "Digits")
          return unknown_step(step, type);
        BOOST_OUTCOME_TRY(
            split, type == "Split" ? read_split(step) : read_digits(step));
        out.splits.push_back(std::move(split));
        return success();
      }));
  if (byte_level) return success();
  return place.wrong(error_code::unsupported,
                     "no ByteLevel step; byte-level BPE is supported");
}

/// The ids that stand before the text's own. Those after it (an end token)
/// have no place in a prompt that a model is to continue.
result<void> read_template(const json_place& place, tokenizer_file& out) {
  const json_place single = place.at("single");
  BOOST_OUTCOME_TRYV(single.must_be_array());
  for (std::size_t i = 0; i < single.value().size(); ++i) {
    const json_place piece = single.at(i);
    if (!piece.at("Sequence").is_null()) return success();
    const json_place name = piece.at("SpecialToken").at("id");
    BOOST_OUTCOME_TRY(token, name.text());
    const json_place ids =
        place.at("special_tokens").at(token.c_str()).at("ids");
    BOOST_OUTCOME_TRYV(ids.must_be_array());
    for (std::size_t k = 0; k < ids.value().size(); ++k) {
      BOOST_OUTCOME_TRY(id, ids.at(k).id(token_id_max));
      out.prefix.push_back(id);
    }
  }
  return single.wrong(error_code::corrupt, "no Sequence");
}

result<void> read_post_processor(const json_place& place, tokenizer_file& out) {
  bool seen = false;
  return each_step(
      place, "processors",
      [&](const json_place& step, const std::string& type) -> result<void> {
        if (type == "ByteLevel") return success();  // changes only offsets
        if (type != "TemplateProcessing") return unknown_step(step, type);
        if (seen)
          return step.wrong(error_code::unsupported, "a second template");
        seen = true;
        return read_template(step, out);
      });
}

result<void> check_decoder(const json_place& place) {
  return each_step(
      place, "decoders",
      [](const json_place& step, const std::string& type) -> result<void> {
        if (type == "ByteLevel") return success();
        return unknown_step(step, type);
      });
}

}  // namespace

result<void> read_pipeline(const json_place& root, tokenizer_file& out) {
  BOOST_OUTCOME_TRYV(read_normalizer(root.at("normalizer"), out));
  BOOST_OUTCOME_TRYV(read_pre_tokenizer(root.at("pre_tokenizer"), out));
  BOOST_OUTCOME_TRYV(read_post_processor(root.at("post_processor"), out));
  return check_decoder(root.at("decoder"));
}

}  // namespace lamina

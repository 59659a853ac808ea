// Conversations that leave and come: export, import, and activations that were
// computed elsewhere.
#include <fmt/format.h>

#include <algorithm>

#include "client/cli/advice.hpp"
#include "client/cli/commands.hpp"
#include "client/cli/conversation_file.hpp"
#include "client/cli/export.hpp"
#include "client/cli/token_file.hpp"

namespace lamina::cli {
namespace {

/// Conversations whose rows were read, or brought, with what error.
std::string error_words(float relative_error) {
  return relative_error == 0
             ? "exact"
             : fmt::format("within {:.2g} of a row's size", relative_error);
}

result<int> tell(session& with, const wire::BroughtT& brought) {
  const json document{{"conversation", brought.conversation},
                      {"positions", brought.positions},
                      {"durable", brought.durable},
                      {"not_durable_because", brought.not_durable_because},
                      {"dropped_positions", brought.dropped_positions}};
  BOOST_OUTCOME_TRYV(write_out(
      with.json() ? print(document)
                  : fmt::format("{}: {} positions{}\n", brought.conversation,
                                brought.positions,
                                brought.durable ? ", durable" : "")));
  return exit_code::ok;
}

/// The tensors of a file that are named like slots, in a frame's order.
struct file_slots {
  std::vector<const file_tensor*> tensors;
  wire::PutConversationT declared;
  std::uint64_t positions = 0;
};

result<void> take_site(const safetensors_file& file, site at,
                       std::uint32_t layers, file_slots& into) {
  for (std::uint32_t l = 0; l < layers; ++l) {
    const auto& first = *into.tensors.front();
    const auto name =
        name_of(activation_array::slot{at, static_cast<std::uint16_t>(l)});
    BOOST_OUTCOME_TRY(t, file.tensor(name, first.dtype, first.shape));
    into.tensors.push_back(t);
  }
  into.declared.sites.push_back(static_cast<std::uint8_t>(at));
  return success();
}

result<file_slots> slots_in(const safetensors_file& file) {
  const auto wrong = [&](std::string_view sentence) {
    return fail(error_code::invalid_argument,
                fmt::format("'{}' {}", file.path(), sentence));
  };
  const auto& tensors = file.tensors();
  const auto first = tensors.find("resid_post.0");
  if (first == tensors.end())
    return wrong("has no tensor 'resid_post.0', nor what follows it");
  const auto& shape = first->second.shape;
  if (shape.size() != 2)
    return wrong("has tensors that are not [positions, width]");
  file_slots slots;
  slots.positions = shape[0];
  slots.declared.width = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(shape[1], ~std::uint32_t{0}));
  const std::string names[] = {"F32", "BF16", "F16"};
  const auto type =
      std::find(std::begin(names), std::end(names), first->second.dtype);
  if (type == std::end(names))
    return wrong("has tensors of type " + first->second.dtype +
                 "; F32, BF16 and F16 can be brought");
  slots.declared.dtype =
      static_cast<std::uint8_t>(type - std::begin(names) + 1);
  auto& layers = slots.declared.layers;
  while (tensors.contains(fmt::format("resid_post.{}", layers)))
    ++layers;
  slots.tensors.push_back(&first->second);  // for its type and shape
  if (tensors.contains("embed")) {
    BOOST_OUTCOME_TRYV(take_site(file, site::embed, 1, slots));
  }
  BOOST_OUTCOME_TRYV(take_site(file, site::resid_post, layers, slots));
  if (tensors.contains("final_norm")) {
    BOOST_OUTCOME_TRYV(take_site(file, site::final_norm, 1, slots));
  }
  slots.tensors.erase(slots.tensors.begin());
  return slots;
}

result<wire::ConversationT> look_up(client& daemon, const std::string& id) {
  wire::ShowConversationT request;
  request.conversation = id;
  request.ledger = true;
  BOOST_OUTCOME_TRY(shown, daemon.show(request));
  if (shown.state == "running")
    return fail(error_code::conversation_busy,
                "conversation " + id +
                    " is being written: export it when that is done");
  return std::move(shown);
}

}  // namespace

result<int> put_activations(session& with, const put_options& options) {
  BOOST_OUTCOME_TRY(tokens, read_tokens(options.tokens));
  BOOST_OUTCOME_TRY(opened, safetensors_file::open(options.input));
  const auto file = std::make_shared<safetensors_file>(std::move(opened));
  BOOST_OUTCOME_TRY(slots, slots_in(*file));
  if (slots.positions != tokens.size())
    return fail(error_code::invalid_argument,
                fmt::format("'{}' has {} tokens, '{}' rows of {} positions",
                            options.tokens, tokens.size(), options.input,
                            slots.positions));
  brought_conversation what;
  what.declared = slots.declared;
  what.declared.model = options.model;
  what.declared.fingerprint = options.fingerprint;
  what.declared.quality = options.quality;
  what.tokens = std::move(tokens);
  what.rows = {{0, static_cast<position_t>(slots.positions)}};
  what.wait_durable = options.wait_durable;
  what.read_rows = [&](position_span part,
                       std::span<std::byte> out) -> result<void> {
    const auto slot_bytes = out.size() / slots.tensors.size();
    const auto row_bytes = slot_bytes / part.size();
    for (std::size_t i = 0; i < slots.tensors.size(); ++i) {
      BOOST_OUTCOME_TRYV(file->read(*slots.tensors[i], part.begin * row_bytes,
                                    out.subspan(i * slot_bytes, slot_bytes)));
    }
    return success();
  };
  BOOST_OUTCOME_TRY(daemon, with.connect());
  BOOST_OUTCOME_TRY(brought, bring(*daemon, what));
  return tell(with, brought);
}

result<int> export_conversation(session& with, const export_options& options) {
  BOOST_OUTCOME_TRY(daemon, with.connect());
  BOOST_OUTCOME_TRY(id, with.conversation(options.conversation));
  BOOST_OUTCOME_TRY(conversation, look_up(*daemon, id));
  const bool one_file = options.directory.empty();
  const auto& target = one_file ? options.file : options.directory;
  BOOST_OUTCOME_TRY(
      done, one_file ? export_to_file(*daemon, conversation, target)
                     : export_to_directory(*daemon, conversation, target,
                                           options.format == "npy"));
  const json document{{"conversation", id},
                      {"output", target},
                      {"files", done.files},
                      {"bytes", done.bytes},
                      {"positions", conversation.positions},
                      {"positions_with_activations", done.rows},
                      {"positions_with_lens", done.lens},
                      {"exact", done.relative_error == 0},
                      {"relative_error", done.relative_error}};
  BOOST_OUTCOME_TRYV(write_out(
      with.json()
          ? print(document)
          : fmt::format("{}: {} tokens, activations of {} ({}), {} bytes\n",
                        target, conversation.positions, done.rows,
                        error_words(done.relative_error), done.bytes)));
  return exit_code::ok;
}

result<int> import_conversation(session& with, const std::string& path) {
  BOOST_OUTCOME_TRY(opened, safetensors_file::open(path));
  const auto file = std::make_shared<safetensors_file>(std::move(opened));
  BOOST_OUTCOME_TRY(what, read_conversation_file(file));
  what.wait_durable = true;
  BOOST_OUTCOME_TRY(daemon, with.connect());
  BOOST_OUTCOME_TRY(brought, bring(*daemon, what));
  return tell(with, brought);
}

}  // namespace lamina::cli

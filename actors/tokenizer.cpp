#include "actors/tokenizer.hpp"

#include <caf/all.hpp>
#include <string>

#include "actors/messages/tokenizer.hpp"
#include "actors/messages/tokens.hpp"
#include "actors/model/tokenizer/tokenizer.hpp"

namespace lamina {

tokenizer_actor::behavior_type prompt_tokenizer(tokenizer_state::pointer,
                                                std::size_t prompt_bytes_max) {
  return {
      [prompt_bytes_max](const encode_prompt& m) -> token_ids_result {
        const auto& prompt = m.options->prompt;
        if (prompt.size() > prompt_bytes_max)
          return fail(error_code::limit_exceeded,
                      "a prompt of " + std::to_string(prompt.size()) +
                          " bytes; at most " +
                          std::to_string(prompt_bytes_max) + " are read");
        return m.model->text().encode(prompt, {m.begins_text, false});
      },
  };
}

}  // namespace lamina

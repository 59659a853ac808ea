#include "protocol/unpack_budget.hpp"

#include <cstddef>
#include <string>

#include "protocol/limits.hpp"

namespace lamina {
namespace {

// Scalars and single strings of one table cannot outgrow the message, since
// the verifier bounds each by it and tables are counted here; what multiplies
// are vectors of tables and of strings.
class budget {
 public:
  bool exhausted() const { return used_ > limits::unpacked_bytes_max; }

  void add(std::size_t bytes) { used_ += bytes; }
  void add(const flatbuffers::String* text) {
    used_ += text ? text->size() : 0;
  }
  template <class Scalar>
  void add_scalars(const flatbuffers::Vector<Scalar>* values) {
    used_ += values ? values->size() * sizeof(Scalar) : 0;
  }
  void add_texts(
      const flatbuffers::Vector<flatbuffers::Offset<flatbuffers::String>>*
          texts) {
    if (!texts) return;
    for (const auto* text : *texts) {
      if (exhausted()) return;
      add(sizeof(std::string));
      add(text);
    }
  }
  template <class Table>
  void add_tables(
      const flatbuffers::Vector<flatbuffers::Offset<Table>>* tables) {
    if (!tables) return;
    for (const auto* table : *tables) {
      if (exhausted()) return;
      add(sizeof(void*));
      add(table);
    }
  }

  void add(const wire::Token* token);
  void add(const wire::ModelInfo* model);
  void add(const wire::LensLayer* layer);
  void add(const wire::LensPosition* position);
  void add(const wire::ActivationSlot* slot);
  void add(const wire::LedgerLine* line);
  void add(const wire::LedgerEntry* entry);
  void add(const wire::Fidelity* fidelity);
  void add(const wire::Damage* damage);
  void add(const wire::ConversationUsage* usage);
  void add(const wire::OwnerUsage* usage);
  void add(const wire::ModelUsage* usage);
  void add(const wire::Conversation* conversation);
  void add(const wire::SearchHit* hit);

 private:
  std::size_t used_ = 0;
};

void budget::add(const wire::Token* token) {
  if (!token) return;
  add(sizeof(wire::TokenT));
  add_scalars(token->bytes());
}

void budget::add(const wire::ModelInfo* model) {
  if (!model) return;
  add(sizeof(wire::ModelInfoT));
  add(model->name());
  add(model->architecture());
  add(model->fingerprint());
  add(model->matmul_path());
  add(model->health());
  add(model->weights());
  add_texts(model->lenses());
}

void budget::add(const wire::LensLayer* layer) {
  if (!layer) return;
  add(sizeof(wire::LensLayerT));
  add_scalars(layer->ids());
  add_texts(layer->texts());
  add_scalars(layer->log_probabilities());
  add_scalars(layer->ranks_of_tracked());
  add_scalars(layer->log_probabilities_of_tracked());
}

void budget::add(const wire::LensPosition* position) {
  if (!position) return;
  add(sizeof(wire::LensPositionT));
  add(position->token());
  add(position->source());
  add_tables(position->layers());
}

void budget::add(const wire::ActivationSlot* slot) {
  if (slot) add(sizeof(wire::ActivationSlotT));
}

void budget::add(const wire::LedgerLine* line) {
  if (!line) return;
  add(sizeof(wire::LedgerLineT));
  add(line->state());
  add(line->quality());
}

void budget::add(const wire::Fidelity* fidelity) {
  if (!fidelity) return;
  add(sizeof(wire::FidelityT));
  add(fidelity->quality());
}

void budget::add(const wire::Damage* damage) {
  if (!damage) return;
  add(sizeof(wire::DamageT));
  add(damage->conversation());
  add(damage->name());
  add(damage->part());
  add(damage->kind());
  add(damage->what());
}

void budget::add(const wire::ConversationUsage* usage) {
  if (!usage) return;
  add(sizeof(wire::ConversationUsageT) + sizeof(wire::HoldingT));
  add(usage->conversation());
  add(usage->model());
}

void budget::add(const wire::OwnerUsage* usage) {
  if (usage) add(sizeof(wire::OwnerUsageT) + sizeof(wire::HoldingT));
}

void budget::add(const wire::ModelUsage* usage) {
  if (!usage) return;
  add(sizeof(wire::ModelUsageT) + sizeof(wire::HoldingT));
  add(usage->model());
}

void budget::add(const wire::LedgerEntry* entry) {
  if (!entry) return;
  add(sizeof(wire::LedgerEntryT));
  add(entry->chunk());
  add(entry->embed());
  add(entry->resid_post());
  add(entry->final_norm());
  add(entry->lens());
  add_tables(entry->lines());
}

void budget::add(const wire::Conversation* conversation) {
  if (!conversation) return;
  add(sizeof(wire::ConversationT));
  add(conversation->id());
  add(conversation->model());
  add(conversation->state());
  add(conversation->parent());
  add(conversation->root());
  add(conversation->preview());
  add(conversation->fingerprint());
  add(conversation->origin());
  add(conversation->owner());
  add(conversation->group());
  add_tables(conversation->tokens());
  add_tables(conversation->ledger());
}

void budget::add(const wire::SearchHit* hit) {
  if (!hit) return;
  add(sizeof(wire::SearchHitT));
  add(hit->conversation());
  add(hit->token());
  add_scalars(hit->before());
  add_scalars(hit->text());
  add_scalars(hit->after());
}

result<void> check_search(const wire::Search& search) {
  if (search.text() && search.text()->size() > limits::search_text_bytes_max)
    return fail(error_code::limit_exceeded,
                "a text to search of " + std::to_string(search.text()->size()) +
                    " bytes: the limit is " +
                    std::to_string(limits::search_text_bytes_max));
  if (!search.conversations()) return success();
  if (search.conversations()->size() > limits::search_conversations_max)
    return fail(error_code::limit_exceeded,
                std::to_string(search.conversations()->size()) +
                    " conversations named in one search: the limit is " +
                    std::to_string(limits::search_conversations_max));
  return success();
}

result<void> check_tracked(const wire::ReadLens& lens) {
  const auto count = (lens.track() ? lens.track()->size() : 0) +
                     (lens.track_texts() ? lens.track_texts()->size() : 0);
  if (count > limits::lens_tracked_max)
    return fail(error_code::limit_exceeded,
                std::to_string(count) + " tokens to track: the limit is " +
                    std::to_string(limits::lens_tracked_max));
  if (!lens.track_texts()) return success();
  for (const auto* text : *lens.track_texts())
    if (text->size() > limits::lens_tracked_bytes_max)
      return fail(error_code::limit_exceeded,
                  "a text to track of " + std::to_string(text->size()) +
                      " bytes: the limit is " +
                      std::to_string(limits::lens_tracked_bytes_max));
  return success();
}

result<void> check_stops(const wire::Generate& generate) {
  if (!generate.stop()) return success();
  if (generate.stop()->size() > limits::stop_strings_max)
    return fail(error_code::limit_exceeded,
                std::to_string(generate.stop()->size()) +
                    " stop strings: the limit is " +
                    std::to_string(limits::stop_strings_max));
  for (const auto* stop : *generate.stop())
    if (stop->size() > limits::stop_bytes_max)
      return fail(error_code::limit_exceeded,
                  "a stop string of " + std::to_string(stop->size()) +
                      " bytes: the limit is " +
                      std::to_string(limits::stop_bytes_max));
  return success();
}

}  // namespace

result<void> check_unpack_budget(const wire::Message& message) {
  if (const auto* generate = message.body_as_Generate())
    return check_stops(*generate);
  if (const auto* lens = message.body_as_ReadLens())
    return check_tracked(*lens);
  budget cost;
  if (const auto* models = message.body_as_Models())
    cost.add_tables(models->models());
  if (const auto* tokens = message.body_as_Tokens())
    cost.add_tables(tokens->tokens());
  if (const auto* lens = message.body_as_LensResult()) {
    cost.add_tables(lens->positions());
    cost.add_tables(lens->context());
    cost.add_tables(lens->tracked());
  }
  if (const auto* activations = message.body_as_Activations())
    cost.add_tables(activations->slots());
  cost.add(message.body_as_Conversation());
  if (const auto* conversations = message.body_as_Conversations())
    cost.add_tables(conversations->conversations());
  if (const auto* search = message.body_as_Search()) {
    BOOST_OUTCOME_TRYV(check_search(*search));
    cost.add_texts(search->conversations());
  }
  if (const auto* found = message.body_as_SearchResult())
    cost.add_tables(found->hits());
  if (const auto* put = message.body_as_PutActivations())
    cost.add_tables(put->tokens());
  if (const auto* verified = message.body_as_VerifyResult()) {
    cost.add_tables(verified->fidelities());
    cost.add_tables(verified->damages());
  }
  if (const auto* usage = message.body_as_Usage()) {
    cost.add_tables(usage->conversations());
    cost.add_tables(usage->owners());
    cost.add_tables(usage->models());
  }
  if (cost.exhausted())
    return fail(error_code::limit_exceeded,
                "a control message that would unpack to more than " +
                    std::to_string(limits::unpacked_bytes_max) + " bytes");
  return success();
}

}  // namespace lamina

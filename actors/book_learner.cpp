#include "actors/book_learner.hpp"

#include <spdlog/spdlog.h>

#include <caf/all.hpp>
#include <utility>

namespace lamina {

result<codebook_ptr> open_codebook(const book_record& record) {
  BOOST_OUTCOME_TRY(book, codebook::parse(record.bytes));
  if (book.id() != record.id)
    return fail(error_code::corrupt, "code book " + std::to_string(record.id) +
                                         ": its bytes have another id");
  return std::make_shared<const codebook>(std::move(book));
}

book_shelf_ptr shelve_all(store_reader& reader) {
  auto shelf = std::make_shared<const book_shelf>();
  const auto records = reader.books();
  if (!records) {
    spdlog::error("code books: {}", to_string(records.error()));
    return shelf;
  }
  for (const auto& record : records.value()) {
    const result<codebook_ptr> book =
        record ? open_codebook(record.value())
               : result<codebook_ptr>(record.error());
    if (book)
      shelf = shelf->with(record.value().root, book.value());
    else
      spdlog::error("code books: {}; values that need it cannot be read",
                    to_string(book.error()));
  }
  return shelf;
}

void book_learner_state::learn(const learn_rows& m) {
  if (view->books->of(m.root)) {
    lessons.erase(m.root);
    return;
  }
  auto& of = lessons[m.root];
  if (of.book) {
    if (!of.storing) put(m.root, of);
    return;
  }
  const bool whole = m.rows.begin == 0 && m.rows.end == chunk_positions;
  if (!whole || !of.chunks.insert(m.name).second) return;
  if (!of.learner) of.learner.emplace(m.rows.chunk->shape());
  of.learner->add(m.rows);
  if (of.chunks.size() * chunk_positions < codebook_tokens_enough) return;
  of.book = std::make_shared<const codebook>(of.learner->finish());
  of.learner.reset();
  of.chunks.clear();
  put(m.root, of);
}

/// Synced before any value can name it: only then does a view have it.
void book_learner_state::put(const digest& root, lesson& of) {
  of.storing = true;
  auto ops = std::make_shared<std::vector<write_op>>();
  ops->push_back(put_book{{of.book->id(), root, of.book->serialise()}});
  self->request(view->disk, caf::infinite, write_ops{std::move(ops)})
      .then(
          [this, root](const result<ops_written>& written) {
            auto& stored = lessons[root];
            stored.storing = false;
            // A failing disk: the next rows try again.
            if (!written) return;
            spdlog::info("code books: one was learned for root {}",
                         to_string(root));
            self->send(view->supervisor, book_learned{root, stored.book});
          },
          [this, root](const caf::error&) { lessons[root].storing = false; });
}

book_learner_actor::behavior_type book_learner(book_learner_state::pointer self,
                                               view_ptr view) {
  self->state.view = std::move(view);
  return {
      [self](const learn_rows& m) {
        self->state.learn(m);
        return acknowledged{};
      },
      [self](const view_changed& m) { self->state.view = m.view; },
  };
}

}  // namespace lamina

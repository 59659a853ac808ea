// Conversations that are brought: an import is their writer.
#include <caf/all.hpp>
#include <utility>

#include "actors/catalog.hpp"
#include "actors/import.hpp"
#include "protocol/id_text.hpp"

namespace lamina {
namespace {

/// Brought rows share chunks with nothing but forks of themselves: the origin
/// is that of this one import.
digest root_of_import(const import_declaration& declared,
                      const std::string& origin) {
  provenance p;
  p.model_fingerprint = declared.fingerprint;
  p.compute_dtype = p.kv_dtype = declared.shape.element;
  p.origin = origin;
  return root_of(p);
}

}  // namespace

result<import_opened> catalog_state::begin_import(const open_import& m) {
  if (draining)
    return fail(error_code::unavailable, "the daemon is shutting down");
  if (auto over = over_quota(m.who, true)) return *over;
  std::uint32_t running = 0;
  for (const auto& [id, e] : entries)
    running += e.import ? 1 : 0;
  if (running >= options.imports_max)
    return fail(
        error_code::overloaded,
        std::to_string(running) + " conversations are being brought already");
  auto& e = add_entry(m.who, m.declared.model);
  auto& r = e.record;
  r.fingerprint = m.declared.fingerprint;
  r.origin = "brought:" + conversation_text(r.id);
  r.root = root_of_import(m.declared, r.origin);
  r.shape = m.declared.shape;
  auto plan = std::make_shared<import_plan>();
  plan->record = r;
  plan->declared = m.declared;
  plan->session = m.session;
  plan->view = view;
  plan->in_flight_bytes_max = options.import_in_flight_bytes_max;
  auto writer = self->spawn(import, plan);
  self->monitor(writer);
  e.import = import_actor(writer);
  e.writer = writer_actor(writer);
  e.turns.push_back(e.writer);
  written_by[e.writer.address()] = r.id;
  unload_oldest();
  return import_opened{r.id, e.import};
}

result<import_opened> catalog_state::import_of(const find_import& m) {
  BOOST_OUTCOME_TRY(e, owned(m.conversation, m.who));
  if (e->import) return import_opened{m.conversation, e->import};
  if (e->busy())
    return fail(
        error_code::conversation_busy,
        "a turn is being written to " + conversation_text(m.conversation));
  return fail(error_code::not_found, "nothing is being brought to " +
                                         conversation_text(m.conversation));
}

}  // namespace lamina

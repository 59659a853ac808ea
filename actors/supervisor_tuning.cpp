// Which options may change while the daemon runs.
#include "actors/supervisor.hpp"

namespace lamina {

tunables tunables_in(const system_options& o) {
  tunables t;
  t.memory_bytes_max = o.memory_bytes_max;
  t.memory_ttl = o.memory_ttl;
  t.retention = o.disk.retention;
  t.prefetch_enabled = o.prefetch.enabled;
  t.prefetch_range = o.prefetch.range;
  t.restore_recomputed = o.restorer.enabled;
  t.recompute_on_read = o.catalog.recompute_on_read;
  t.abandon_after = o.catalog.abandon_after;
  t.quota = o.quota;
  return t;
}

void apply(const tunables& t, system_options& o) {
  o.memory_bytes_max = t.memory_bytes_max;
  o.memory_ttl = t.memory_ttl;
  o.disk.retention = t.retention;
  o.prefetch = {t.prefetch_enabled, t.prefetch_range};
  o.restorer.enabled = t.restore_recomputed;
  o.catalog.recompute_on_read = t.recompute_on_read;
  o.catalog.abandon_after = t.abandon_after;
  o.quota = t.quota;
}

}  // namespace lamina

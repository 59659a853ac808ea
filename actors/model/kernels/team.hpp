// Spreads the units of one computation over a few threads, cheaply enough to
// do it sixty times a token.
//
// Every calling thread has a team of its own, made at first use and kept: the
// caller and omp_get_max_threads() - 1 workers. Each begins with a contiguous
// range of the units, so that it streams memory in order, and helps the others
// when it is done. A worker that waits spins for some microseconds, because
// the next computation is usually that near, and then sleeps in the kernel.
//
// The caller waits for units that somebody has begun, never for a thread to
// turn up. So a worker without a processor (another process has it) costs
// nothing but its help.
#pragma once

#include <cstdint>
#include <type_traits>

namespace lamina {

/// Calls body(context, unit) once for every unit below `units`, from the
/// calling thread and its workers; returns when all are done. The first
/// exception of a body is thrown again here, after the others are done. Within
/// a body it runs everything on the calling thread.
void run_units(std::uint32_t units, void (*body)(void*, std::uint32_t),
               void* context);

/// The same for a callable that takes the unit. Runs in the calling thread
/// alone unless `parallel`: little work is done before a worker is awake.
template <class Body>
void for_each_unit(std::uint32_t units, bool parallel, Body&& body) {
  if (!parallel || units < 2) {
    for (std::uint32_t unit = 0; unit < units; ++unit)
      body(unit);
    return;
  }
  using body_type = std::remove_reference_t<Body>;
  run_units(
      units,
      [](void* context, std::uint32_t unit) {
        (*static_cast<body_type*>(context))(unit);
      },
      const_cast<std::remove_const_t<body_type>*>(&body));
}

/// Bounds the threads that the calling thread computes with, for one scope.
class thread_limit {
 public:
  explicit thread_limit(int threads);
  ~thread_limit();
  thread_limit(const thread_limit&) = delete;
  thread_limit& operator=(const thread_limit&) = delete;

 private:
  int before_;
};

}  // namespace lamina

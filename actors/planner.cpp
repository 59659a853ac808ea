#include "actors/planner.hpp"

#include <caf/all.hpp>

#include "actors/model/allowed_directory.hpp"

namespace lamina {
namespace {

directory_planned plan(const plan_directory& m) {
  model_options options = m.options;
  BOOST_OUTCOME_TRY(real, allowed_directory(options.directory, m.roots));
  options.directory = real;
  return plan_model(options);
}

}  // namespace

planner_actor::behavior_type planner(planner_state::pointer) {
  return {[](const plan_directory& m) { return plan(m); }};
}

}  // namespace lamina

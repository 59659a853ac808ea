// Benchmarks of a model through the running daemon.
#include "client/cli/advice.hpp"
#include "client/cli/bench_table.hpp"
#include "client/cli/commands.hpp"
#include "client/cli/interrupt.hpp"

namespace lamina::cli {
namespace {

result<wire::ModelInfoT> find_model(client& daemon, const std::string& name) {
  BOOST_OUTCOME_TRY(models, daemon.models());
  if (name.empty() && models.models.size() != 1)
    return fail(error_code::invalid_argument,
                "which model? Name one with --model");
  for (const auto& model : models.models)
    if (name.empty() || model->name == name) return *model;
  return fail(error_code::not_found, "no model '" + name + "'");
}

template <class Options>
using measurement = result<json> (*)(const bench_subject&, const Options&);
using rendering = std::string (*)(const json&, const style&);

template <class Options>
result<int> run_bench(session& with, const Options& options,
                      measurement<Options> measure, rendering render) {
  BOOST_OUTCOME_TRY(daemon, with.connect());
  BOOST_OUTCOME_TRY(model, find_model(*daemon, options.model));
  cancel_on_interrupt interrupt(*daemon);
  const bench_subject subject{[&with] { return with.dial(); }, model,
                              with.same_machine(), &interrupt.flag()};
  BOOST_OUTCOME_TRY(report, measure(subject, options));
  BOOST_OUTCOME_TRYV(
      write_out(with.json() ? print(report) : render(report, with.look())));
  return exit_code::ok;
}

}  // namespace

result<int> bench_decode(session& with, const bench_decode_options& options) {
  return run_bench(with, options, measure_decode, render_decode_rates);
}

result<int> bench_capture(session& with, const bench_capture_options& options) {
  return run_bench(with, options, measure_capture, render_capture_costs);
}

result<int> bench_sessions(session& with,
                           const bench_sessions_options& options) {
  return run_bench(with, options, measure_sessions, render_sessions);
}

}  // namespace lamina::cli

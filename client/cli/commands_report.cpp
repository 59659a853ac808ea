#include "client/cli/advice.hpp"
#include "client/cli/commands.hpp"
#include "client/cli/interrupt.hpp"
#include "client/cli/json_forms.hpp"
#include "client/cli/ranges.hpp"
#include "client/cli/report_table.hpp"
#include "protocol/site.hpp"

namespace lamina::cli {

result<int> plan(session& with, const plan_options& options) {
  wire::PlanCaptureT request;
  request.model = options.model;
  request.tokens = options.tokens;
  request.quality = options.quality;
  request.lens = static_cast<std::uint8_t>(
      lens_mode_from_string(options.lens).value_or(lens_mode::deferred));
  BOOST_OUTCOME_TRY(daemon, with.connect());
  BOOST_OUTCOME_TRY(text, daemon->plan(request));
  BOOST_OUTCOME_TRY(report, parse_report(text));
  BOOST_OUTCOME_TRYV(write_out(with.json() ? print(report)
                                           : render_plan(report, with.look())));
  return exit_code::ok;
}

result<int> bench_codec(session& with, const bench_codec_options& options) {
  BOOST_OUTCOME_TRY(daemon, with.connect());
  wire::BenchCodecT request;
  BOOST_OUTCOME_TRY(id, with.conversation(options.conversation));
  request.conversation = id;
  BOOST_OUTCOME_TRY(range, parse_positions(options.positions));
  request.position_begin = range.begin;
  request.position_end = range.end.value_or(0);
  cancel_on_interrupt interrupt(*daemon);
  BOOST_OUTCOME_TRY(text, daemon->bench_codec(request));
  BOOST_OUTCOME_TRY(report, parse_report(text));
  BOOST_OUTCOME_TRYV(write_out(
      with.json() ? print(report) : render_codec_rates(report, with.look())));
  return exit_code::ok;
}

}  // namespace lamina::cli

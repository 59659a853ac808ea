#include "client/cli/advice.hpp"
#include "client/cli/cache_report.hpp"
#include "client/cli/commands.hpp"
#include "client/cli/interrupt.hpp"
#include "client/cli/progress_line.hpp"

namespace lamina::cli {
namespace {

/// One that Ctrl-C ends still shows what it found.
result<wire::VerifyResultT> run(session& with, client& daemon,
                                const wire::VerifyCacheT& request,
                                bool& interrupted) {
  wire::VerifyResultT newest;
  progress_line line(!with.json());
  cancel_on_interrupt interrupt(daemon);
  auto verified = daemon.verify(request, [&](const wire::VerifyResultT& part) {
    newest = part;
    line.show(render_verification_progress(part));
  });
  interrupted = interrupt.happened();
  if (!verified && interrupted &&
      verified.error().code == error_code::cancelled)
    return newest;
  return verified;
}

}  // namespace

result<int> verify_cache(session& with, const verify_options& options) {
  wire::VerifyCacheT request;
  request.sample = options.sample;
  BOOST_OUTCOME_TRY(daemon, with.connect());
  if (!options.conversation.empty()) {
    BOOST_OUTCOME_TRY(id, with.conversation(options.conversation));
    request.conversation = id;
  }
  bool interrupted = false;
  BOOST_OUTCOME_TRY(verified, run(with, *daemon, request, interrupted));
  BOOST_OUTCOME_TRYV(
      write_out(with.json() ? print(to_json(verified))
                            : render_verification(verified, with.look())));
  if (interrupted) return exit_code::interrupted;
  return verified.damages_found == 0 ? exit_code::ok : exit_code::failed;
}

result<int> show_usage(session& with, std::uint32_t limit) {
  wire::GetUsageT request;
  request.limit = limit;
  BOOST_OUTCOME_TRY(daemon, with.connect());
  BOOST_OUTCOME_TRY(usage, daemon->usage(request));
  BOOST_OUTCOME_TRYV(write_out(with.json() ? print(to_json(usage))
                                           : render_usage(usage, with.look())));
  return exit_code::ok;
}

}  // namespace lamina::cli

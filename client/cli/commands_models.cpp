#include <fmt/format.h>

#include <filesystem>

#include "client/cli/advice.hpp"
#include "client/cli/commands.hpp"
#include "client/cli/report_table.hpp"
#include "client/cli/tables.hpp"
#include "protocol/site.hpp"

namespace lamina::cli {
namespace {

std::uint8_t dtype_number(const std::string& name) {
  const auto type = dtype_from_string(name);
  return type ? static_cast<std::uint8_t>(*type) : 0;
}

// The daemon has another working directory.
result<std::string> absolute_path(const std::string& path) {
  std::error_code failed;
  const auto absolute = std::filesystem::absolute(path, failed);
  if (failed) return fail(error_code::io_error, path + ": " + failed.message());
  return absolute.lexically_normal().string();
}

}  // namespace

result<int> list_models(session& with) {
  BOOST_OUTCOME_TRY(daemon, with.connect());
  BOOST_OUTCOME_TRY(models, daemon->models());
  BOOST_OUTCOME_TRYV(write_out(with.json()
                                   ? print(to_json(models))
                                   : render_models(models, with.look())));
  return exit_code::ok;
}

result<int> load_model(session& with, const load_options& options) {
  const auto equals = options.model.find('=');
  if (equals == std::string::npos || equals == 0 ||
      equals + 1 == options.model.size())
    return fail(error_code::invalid_argument,
                "'" + options.model + "': expected NAME=DIRECTORY");
  wire::LoadModelT request;
  request.name = options.model.substr(0, equals);
  BOOST_OUTCOME_TRY(path, absolute_path(options.model.substr(equals + 1)));
  request.path = path;
  request.dtype = dtype_number(options.dtype);
  request.device = options.device;
  request.quality = options.quality;
  request.weights = options.weights;
  BOOST_OUTCOME_TRY(daemon, with.connect());
  BOOST_OUTCOME_TRY(models, daemon->load_model(request));
  BOOST_OUTCOME_TRYV(write_out(with.json()
                                   ? print(to_json(models))
                                   : render_models(models, with.look())));
  return exit_code::ok;
}

result<int> unload_model(session& with, const std::string& name) {
  BOOST_OUTCOME_TRY(daemon, with.connect());
  BOOST_OUTCOME_TRYV(daemon->unload_model(name));
  BOOST_OUTCOME_TRYV(
      write_out(with.json() ? print(json{{"unloaded", name}}) : ""));
  return exit_code::ok;
}

result<int> plan_model(session& with, const model_plan_options& options) {
  wire::PlanModelT request;
  BOOST_OUTCOME_TRY(path, absolute_path(options.directory));
  request.path = path;
  request.dtype = dtype_number(options.dtype);
  request.weights = options.weights;
  request.device = options.device;
  BOOST_OUTCOME_TRY(daemon, with.connect());
  BOOST_OUTCOME_TRY(text, daemon->plan_model(request));
  BOOST_OUTCOME_TRY(report, parse_report(text));
  BOOST_OUTCOME_TRYV(write_out(
      with.json() ? print(report) : render_model_plan(report, with.look())));
  return report.value("fits", false) ? exit_code::ok : exit_code::failed;
}

}  // namespace lamina::cli

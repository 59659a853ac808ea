#include "client/cli/bench_table.hpp"

#include <fmt/format.h>

#include <vector>

#include "client/cli/table_rows.hpp"
#include "client/cli/text.hpp"

namespace lamina::cli {
namespace {

std::string head_line(const json& report, const style& look) {
  return look.bold(harmless(report.at("model").get<std::string>())) + ", " +
         harmless(report.at("dtype").get<std::string>());
}

std::string decimal(const json& row, const char* name, int digits) {
  return fmt::format("{:.{}f}", row.at(name).get<double>(), digits);
}

std::string spread_line(const json& report, const char* name,
                        const char* words) {
  const auto& times = report.at(name);
  if (times.at("count").get<std::uint64_t>() == 0) return "";
  return fmt::format(
      "  {:<26}p50 {:>8.2f} ms   p99 {:>8.2f}   longest {:>8.2f}   of {}\n",
      words, times.at("p50").get<double>(), times.at("p99").get<double>(),
      times.at("longest").get<double>(),
      times.at("count").get<std::uint64_t>());
}

}  // namespace

std::string render_decode_rates(const json& report, const style& look) {
  const bool local = report.contains("read_gb_s");
  std::string text = head_line(report, look) + ", without capture";
  if (local)
    text += fmt::format("; this machine reads {} GB/s",
                        decimal(report, "read_gb_s", 1));
  table_row head{"batch", "tokens/s", "ratio", "weights GB/s"};
  if (local) head.emplace_back("of read");
  std::vector<table_row> rows;
  for (const auto& row : report.at("rows")) {
    rows.push_back({std::to_string(row.at("batch").get<std::uint32_t>()),
                    decimal(row, "tokens_per_second", 1),
                    decimal(row, "ratio", 2), decimal(row, "weights_gb_s", 1)});
    if (local) rows.back().push_back(decimal(row, "of_read", 2));
  }
  return text + "\n" + render_rows(head, rows, look);
}

std::string render_capture_costs(const json& report, const style& look) {
  std::vector<table_row> rows;
  for (const auto& row : report.at("rows"))
    rows.push_back({harmless(row.at("mode").get<std::string>()),
                    decimal(row, "tokens_per_second", 1),
                    decimal(row, "ratio", 2), decimal(row, "first_token_ms", 0),
                    decimal(row, "durable_ms", 0)});
  return head_line(report, look) + "\n" +
         render_rows({"capture", "tokens/s", "ratio", "first token ms",
                      "durable ms after the last"},
                     rows, look);
}

std::string render_sessions(const json& report, const style& look) {
  std::string text = head_line(report, look) +
                     fmt::format(", {} sessions, {} clickers, lens {}, {} s\n",
                                 report.at("sessions").get<std::uint32_t>(),
                                 report.at("clickers").get<std::uint32_t>(),
                                 harmless(report.at("lens").get<std::string>()),
                                 report.at("seconds").get<std::uint32_t>());
  text += fmt::format("  {:<26}{} tokens/s, {} times one alone ({})\n",
                      "all together", decimal(report, "tokens_per_second", 1),
                      decimal(report, "ratio", 2),
                      decimal(report, "alone_tokens_per_second", 1));
  text += fmt::format("  {:<26}{} of an equal share\n", "who got least",
                      decimal(report, "least_share", 2));
  text += spread_line(report, "first_token_ms", "first token");
  text += spread_line(report, "gap_ms", "between tokens");
  text += spread_line(report, "click_ms", "click, in the daemon");
  text += spread_line(report, "click_client_ms", "click, at the client");
  if (const auto refused = report.at("refused").get<std::uint32_t>())
    text += fmt::format("  {:<26}{} times, and tried again\n",
                        "refused as overloaded", refused);
  return text;
}

}  // namespace lamina::cli

#include "client/cli/report_table.hpp"

#include <fmt/format.h>

#include <array>

#include "client/cli/text.hpp"

namespace lamina::cli {
namespace {

using json = nlohmann::ordered_json;

double number(const json& of, const char* name) {
  const auto at = of.find(name);
  return at != of.end() && at->is_number() ? at->get<double>() : 0.0;
}

std::string words(const json& of, const char* name) {
  const auto at = of.find(name);
  return at != of.end() && at->is_string() ? harmless(at->get<std::string>())
                                           : std::string();
}

bool flag(const json& of, const char* name) {
  const auto at = of.find(name);
  return at != of.end() && at->is_boolean() && at->get<bool>();
}

std::string line(const char* name, const std::string& what) {
  return fmt::format("  {:<22}{}\n", name, what);
}

std::string budget(double bytes, double tokens) {
  if (bytes == 0) return "no limit";
  return fmt::format("{:.0f} tokens in {}", tokens, readable_bytes(bytes));
}

std::string readable_seconds(double seconds) {
  if (seconds == 0) return "not known yet";
  if (seconds < 120) return fmt::format("{:.1f} s", seconds);
  if (seconds < 7200) return fmt::format("{:.1f} min", seconds / 60);
  return fmt::format("{:.1f} h", seconds / 3600);
}

std::string lens_cell(const json& rates, const char* name) {
  return rates.contains(name) ? fmt::format("{:.3f}", number(rates, name))
                              : "-";
}

std::string rates_line(const json& rates) {
  const std::string name =
      words(rates, "quality") + (flag(rates, "code_book") ? ", book" : "");
  return fmt::format(
      "{:<15}{:>7.2f}{:>9.2f}{:>8.2f}{:>9.4f}{:>8.4f}{:>8.4f}{:>10.4f}"
      "{:>9.4f}{:>7}{:>8}{:>9.0f}{:>9.0f}\n",
      name, number(rates, "value_bits"), number(rates, "payload_bits"),
      number(rates, "disk_bits"), number(rates, "error_mean"),
      number(rates, "error_p99"), number(rates, "error_worst"),
      number(rates, "ordinary_mean"), number(rates, "largest_mean"),
      lens_cell(rates, "lens_top1"), lens_cell(rates, "lens_top10"),
      number(rates, "encode_mb_s"), number(rates, "decode_mb_s"));
}

const json& rows_of(const json& report) {
  static const json none = json::array();
  const auto at = report.find("rows");
  return at != report.end() && at->is_array() ? *at : none;
}

}  // namespace

result<json> parse_report(const std::string& text) {
  auto report = json::parse(text, nullptr, false);
  if (report.is_discarded() || !report.is_object())
    return fail(error_code::internal,
                "the daemon's report is not a JSON document");
  return report;
}

std::string readable_bytes(double bytes) {
  constexpr std::array units = {"B", "KB", "MB", "GB", "TB", "PB"};
  std::size_t unit = 0;
  while (bytes >= 1000 && unit + 1 < units.size()) {
    bytes /= 1000;
    ++unit;
  }
  return unit == 0 ? fmt::format("{:.0f} B", bytes)
                   : fmt::format("{:.1f} {}", bytes, units[unit]);
}

std::string render_plan(const json& plan, const style& look) {
  const auto bytes = [&](const char* name) {
    return readable_bytes(number(plan, name));
  };
  const double measured = number(plan, "measured_chunks");
  const double tokens = number(plan, "tokens");
  std::string text = fmt::format(
      "{:.0f} tokens of {} ({:.0f} layers x {:.0f}, {}), {}\n", tokens,
      words(plan, "model"), number(plan, "layers"), number(plan, "width"),
      words(plan, "dtype"), words(plan, "quality"));
  text += look.dim(measured > 0
                       ? fmt::format("from {:.0f} chunks of it that are stored",
                                     measured)
                       : std::string("nothing of it is stored in this quality "
                                     "yet: from the documented rates")) +
          "\n";
  text += line("on disk", bytes("disk_bytes"));
  text += line("  activations", bytes("value_bytes"));
  text += line("  lens records", bytes("lens_bytes"));
  text += line("  tokens and trees", bytes("record_bytes"));
  text += line("  a token", bytes("disk_bytes_per_token"));
  text += line("raw", bytes("raw_bytes"));
  text += line("in memory, a token", bytes("memory_bytes_per_token"));
  text += line("in flight, a chunk", bytes("chunk_raw_bytes"));
  text += line("encoding, one core",
               readable_seconds(number(plan, "encode_seconds")));
  text += line("the model", readable_seconds(number(plan, "engine_seconds")));
  text += line("disk budget", budget(number(plan, "disk_budget_bytes"),
                                     number(plan, "tokens_on_disk")));
  if (const double hours = number(plan, "hours_on_disk"); hours > 0)
    text += line("", fmt::format("{:.1f} h without a pause", hours));
  text += line("memory budget", budget(number(plan, "memory_budget_bytes"),
                                       number(plan, "tokens_in_memory")));
  return text;
}

std::string render_model_plan(const json& plan, const style& look) {
  const auto bytes = [&](const char* name) {
    return readable_bytes(number(plan, name));
  };
  std::string text = words(plan, "path") + "\n";
  text += line("family", words(plan, "architecture"));
  text += line("parameters", fmt::format("{:.0f}", number(plan, "parameters")));
  text += line(
      "shape",
      fmt::format("{:.0f} layers x {:.0f}, vocabulary {:.0f}, context "
                  "{:.0f}, computes in {}{}",
                  number(plan, "layers"), number(plan, "width"),
                  number(plan, "vocabulary"), number(plan, "context_length"),
                  words(plan, "dtype"),
                  words(plan, "weights") == "int8" ? ", weights int8" : ""));
  text += line("files", bytes("weight_bytes"));
  if (number(plan, "device_bytes") != 0) {
    text += line("  weights on device",
                 bytes("device_bytes") + ", " + words(plan, "device"));
  } else {
    text += line("  weights mapped", bytes("mapped_bytes"));
    text += line("  weights copied",
                 fmt::format("{} ({} converted, {} transposed, {} aligned, "
                             "{} as int8)",
                             bytes("copied_bytes"), bytes("converted_bytes"),
                             bytes("transposed_bytes"), bytes("aligned_bytes"),
                             bytes("quantised_bytes")));
  }
  text += line("a token, KV cache", bytes("kv_bytes_per_token"));
  text += line("a token, captured",
               bytes("captured_bytes_per_token") + " before compression");
  text += line("memory for it", bytes("memory_bytes"));
  if (flag(plan, "fits"))
    return text + line("fits", fmt::format("with {:.0f} tokens of context",
                                           number(plan, "context_tokens")));
  return text + look.bold("  does not fit") + "\n";
}

std::string render_codec_rates(const json& report, const style& look) {
  std::string text = fmt::format(
      "resid_post of {}, positions {:.0f}:{:.0f}, {:.0f} layers x {:.0f}, {}\n",
      words(report, "conversation"), number(report, "position_begin"),
      number(report, "position_end"), number(report, "layers"),
      number(report, "width"), words(report, "dtype"));
  text +=
      look.dim(fmt::format(
          "{:<15}{:>7}{:>9}{:>8}{:>9}{:>8}{:>8}{:>10}{:>9}{:>7}{:>8}{:>9}"
          "{:>9}",
          "quality", "bits", "payload", "disk", "error", "p99", "worst",
          "ordinary", "largest", "top-1", "top-10", "enc MB/s", "dec MB/s")) +
      "\n";
  for (const auto& rates : rows_of(report))
    text += rates_line(rates);
  if (!flag(report, "lens"))
    text +=
        look.dim("The model is not loaded: no agreement of its lens.") + "\n";
  return text;
}

}  // namespace lamina::cli

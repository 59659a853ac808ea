#include "client/cli/cache_report.hpp"

#include <fmt/format.h>

#include "client/cli/table_rows.hpp"
#include "client/cli/text.hpp"

namespace lamina::cli {
namespace {

std::string size(std::uint64_t bytes) {
  return bytes_text(static_cast<double>(bytes));
}

std::string percent(float part) {
  return fmt::format("{:.3g} %", 100 * part);
}

std::string render_fidelities(const wire::VerifyResultT& result,
                              const style& look) {
  std::vector<table_row> rows;
  for (const auto& f : result.fidelities)
    rows.push_back(
        {harmless(f->quality), std::to_string(f->values), size(f->stored_bytes),
         percent(f->stored_error_max), percent(f->stored_error_mean),
         std::to_string(f->rows_compared), std::to_string(f->rows_identical),
         f->rows_compared > 0 ? percent(f->true_error_max) : "-",
         f->rows_compared > 0 ? percent(f->true_error_mean) : "-"});
  return render_rows({"quality", "values", "bytes", "stored error", "mean",
                      "rows computed", "identical", "true error", "mean"},
                     rows, look);
}

std::string render_damages(const wire::VerifyResultT& result,
                           const style& look) {
  std::vector<table_row> rows;
  for (const auto& d : result.damages)
    rows.push_back({harmless(d->conversation), std::to_string(d->chunk),
                    fmt::format("{}:{}", d->position_begin, d->position_end),
                    harmless(d->part),
                    fmt::format("{}:{}", d->layer_begin, d->layer_end),
                    harmless(d->kind), harmless(d->what)});
  return render_rows(
      {"conversation", "chunk", "positions", "what", "layers", "is", "because"},
      rows, look);
}

table_row holding_row(std::string name, std::uint64_t conversations,
                      const wire::HoldingT& h) {
  return {std::move(name),
          conversations == 0 ? "" : std::to_string(conversations),
          size(h.unique_activation_bytes),
          size(h.unique_lens_bytes),
          size(h.shared_activation_bytes),
          size(h.shared_lens_bytes),
          size(h.record_bytes)};
}

std::string render_holdings(const std::string& what,
                            const std::vector<table_row>& rows,
                            const style& look) {
  if (rows.empty()) return {};
  return render_rows({what, "conversations", "activations", "lens",
                      "shared activations", "shared lens", "tokens"},
                     rows, look) +
         "\n";
}

std::string render_file(const wire::FileUsageT& file) {
  return fmt::format(
      "file {} + {} never written - {} left behind\n"
      "   = {} records + {} rounding + {} of the database + {} free\n",
      file.file_bytes, file.unwritten_bytes, file.behind_bytes, file.live_bytes,
      file.rounding_bytes, file.own_bytes, file.free_bytes);
}

json fidelity_form(const wire::FidelityT& f) {
  json form{{"quality", f.quality},
            {"values", f.values},
            {"stored_bytes", f.stored_bytes},
            {"stored_error_max", f.stored_error_max},
            {"stored_error_mean", f.stored_error_mean},
            {"rows_compared", f.rows_compared},
            {"rows_identical", f.rows_identical}};
  // null, not 0: nothing was compared.
  form["true_error_max"] =
      f.rows_compared > 0 ? json(f.true_error_max) : json();
  form["true_error_mean"] =
      f.rows_compared > 0 ? json(f.true_error_mean) : json();
  return form;
}

json damage_form(const wire::DamageT& d) {
  return {{"conversation", d.conversation},
          {"chunk", d.chunk},
          {"name", d.name},
          {"positions", {d.position_begin, d.position_end}},
          {"part", d.part},
          {"layers", {d.layer_begin, d.layer_end}},
          {"kind", d.kind},
          {"what", d.what}};
}

}  // namespace

std::string render_verification(const wire::VerifyResultT& result,
                                const style& look) {
  std::string text;
  if (!result.fidelities.empty())
    text += render_fidelities(result, look) + "\n";
  if (!result.damages.empty()) text += render_damages(result, look) + "\n";
  text += result.damages_found == 0
              ? look.green("nothing is damaged")
              : look.red(fmt::format("{} damaged", result.damages_found));
  text += fmt::format(
      ": {} of {} chunks of {} conversations, {} values ({}), {} lens blocks; "
      "{} chunks computed again",
      result.chunks_checked, result.chunks_total, result.conversations,
      result.values, size(result.value_bytes), result.lens_blocks,
      result.chunks_recomputed);
  if (result.chunks_not_recomputed > 0)
    text += fmt::format(", {} not, for their model is not loaded or failed",
                        result.chunks_not_recomputed);
  return text +
         fmt::format("; {:.1f} s\n", static_cast<double>(result.took_us) / 1e6);
}

std::string render_verification_progress(const wire::VerifyResultT& result) {
  const auto part = result.chunks_total == 0
                        ? 100
                        : 100 * result.chunks_checked / result.chunks_total;
  return fmt::format("{:>3} %, {} read, {} damaged, {} computed again", part,
                     size(result.value_bytes), result.damages_found,
                     result.chunks_recomputed);
}

std::string render_usage(const wire::UsageT& usage, const style& look) {
  std::vector<table_row> conversations, owners, models;
  for (const auto& c : usage.conversations)
    conversations.push_back(
        holding_row(harmless(c->conversation), 0, *c->holding));
  for (const auto& o : usage.owners)
    owners.push_back(
        holding_row(std::to_string(o->uid), o->conversations, *o->holding));
  for (const auto& m : usage.models)
    models.push_back(
        holding_row(harmless(m->model), m->conversations, *m->holding));
  auto text = render_holdings("conversation", conversations, look) +
              render_holdings("owner", owners, look) +
              render_holdings("model", models, look);
  text += fmt::format(
      "{} activations and lens records, each counted once; {} "
      "wait to be freed\n",
      size(usage.held_bytes), size(usage.waiting_bytes));
  return usage.file ? text + render_file(*usage.file) : text;
}

json to_json(const wire::VerifyResultT& result) {
  json fidelities = json::array(), damages = json::array();
  for (const auto& f : result.fidelities)
    fidelities.push_back(fidelity_form(*f));
  for (const auto& d : result.damages)
    damages.push_back(damage_form(*d));
  return {{"conversations", result.conversations},
          {"chunks_checked", result.chunks_checked},
          {"chunks_total", result.chunks_total},
          {"values", result.values},
          {"value_bytes", result.value_bytes},
          {"lens_blocks", result.lens_blocks},
          {"fidelities", std::move(fidelities)},
          {"damages_found", result.damages_found},
          {"damages", std::move(damages)},
          {"chunks_recomputed", result.chunks_recomputed},
          {"chunks_not_recomputed", result.chunks_not_recomputed},
          {"complete", result.last},
          {"took_us", result.took_us}};
}

json to_json(const wire::UsageT& usage) {
  json conversations = json::array(), owners = json::array(),
       models = json::array();
  for (const auto& c : usage.conversations)
    conversations.push_back({{"conversation", c->conversation},
                             {"model", c->model},
                             {"holding", to_json(*c->holding)}});
  for (const auto& o : usage.owners)
    owners.push_back({{"uid", o->uid},
                      {"conversations", o->conversations},
                      {"holding", to_json(*o->holding)}});
  for (const auto& m : usage.models)
    models.push_back({{"model", m->model},
                      {"conversations", m->conversations},
                      {"holding", to_json(*m->holding)}});
  json form{{"conversations", std::move(conversations)},
            {"owners", std::move(owners)},
            {"models", std::move(models)},
            {"held_bytes", usage.held_bytes},
            {"waiting_bytes", usage.waiting_bytes}};
  if (usage.file)
    form["file"] = {{"file_bytes", usage.file->file_bytes},
                    {"unwritten_bytes", usage.file->unwritten_bytes},
                    {"behind_bytes", usage.file->behind_bytes},
                    {"own_bytes", usage.file->own_bytes},
                    {"live_bytes", usage.file->live_bytes},
                    {"rounding_bytes", usage.file->rounding_bytes},
                    {"free_bytes", usage.file->free_bytes}};
  return form;
}

}  // namespace lamina::cli

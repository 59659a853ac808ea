#include "client/cli/cache_report.hpp"

#include <gmock/gmock.h>

#include "client/cli/table_rows.hpp"
#include "client/cli/tables.hpp"
#include "tests/unit/client/answers.hpp"

namespace lamina::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

const style plain(false);

wire::VerifyResultT verified() {
  wire::VerifyResultT made;
  made.conversations = 2;
  made.chunks_checked = made.chunks_total = 12;
  made.values = 36;
  made.value_bytes = 3 << 20;
  made.last = true;
  auto f = std::make_unique<wire::FidelityT>();
  f->quality = "balanced";
  f->values = 36;
  f->stored_error_max = 0.0625f;
  made.fidelities.push_back(std::move(f));
  return made;
}

void damage(wire::VerifyResultT& result) {
  auto d = std::make_unique<wire::DamageT>();
  d->conversation = "0000000000001";
  d->chunk = 3;
  d->position_begin = 48;
  d->position_end = 64;
  d->part = "resid_post";
  d->layer_end = 8;
  d->kind = "corrupt";
  d->what = "checksum\x1b[31m";
  result.damages.push_back(std::move(d));
  result.damages_found = 1;
}

TEST(VerificationReport, SaysErrorsByQualityAndThatNothingIsDamaged) {
  auto result = verified();
  const auto text = render_verification(result, plain);
  EXPECT_THAT(text, HasSubstr("balanced"));
  EXPECT_THAT(text, HasSubstr("6.25 %"));
  EXPECT_THAT(text, HasSubstr("nothing is damaged: 12 of 12 chunks"));
  EXPECT_THAT(text, HasSubstr("3.0 MiB"));
  EXPECT_THAT(text, Not(HasSubstr("not loaded")));
  result.chunks_not_recomputed = 4;
  EXPECT_THAT(render_verification(result, plain), HasSubstr("4 not"));
}

TEST(VerificationReport, NamesWhatIsDamagedAndCannotBeCommandedByIt) {
  auto result = verified();
  damage(result);
  const auto text = render_verification(result, plain);
  EXPECT_THAT(text, HasSubstr("1 damaged"));
  EXPECT_THAT(text, HasSubstr("0000000000001"));
  EXPECT_THAT(text, HasSubstr("48:64"));
  EXPECT_THAT(text, HasSubstr("0:8"));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
}

TEST(VerificationReport, TheFormHasTheFieldsThatScriptsRead) {
  auto result = verified();
  damage(result);
  auto form = to_json(result);
  EXPECT_EQ(form.at("complete"), true);
  EXPECT_EQ(form.at("damages_found"), 1);
  EXPECT_EQ(form.at("damages")[0].at("part"), "resid_post");
  EXPECT_EQ(form.at("damages")[0].at("positions")[1], 64);
  EXPECT_TRUE(form.at("fidelities")[0].at("true_error_max").is_null());
  result.fidelities[0]->rows_compared = 5;
  form = to_json(result);
  EXPECT_EQ(form.at("fidelities")[0].at("true_error_max"), 0);
}

TEST(UsageReport, FilesBytesAddUpInPrint) {
  wire::UsageT usage;
  auto c = std::make_unique<wire::ConversationUsageT>();
  c->conversation = "0000000000001";
  c->holding = std::make_unique<wire::HoldingT>();
  c->holding->unique_activation_bytes = 5 << 20;
  usage.conversations.push_back(std::move(c));
  usage.file = std::make_unique<wire::FileUsageT>();
  usage.file->file_bytes = 8192;
  usage.file->live_bytes = 5000;
  const auto text = render_usage(usage, plain);
  EXPECT_THAT(text, HasSubstr("5.0 MiB"));
  EXPECT_THAT(text, HasSubstr("file 8192 +"));
  EXPECT_THAT(text, HasSubstr("= 5000 records"));
  EXPECT_THAT(text, Not(HasSubstr("owner"))) << "there is none";
  EXPECT_EQ(to_json(usage).at("file").at("live_bytes"), 5000);
}

std::unique_ptr<wire::LedgerLineT> line(std::uint16_t begin, std::uint16_t end,
                                        std::string state,
                                        std::string kept = "") {
  auto made = std::make_unique<wire::LedgerLineT>();
  made->site = static_cast<std::uint8_t>(site::resid_post);
  made->layer_begin = begin;
  made->layer_end = end;
  made->position_end = 16;
  made->state = std::move(state);
  made->quality = std::move(kept);
  made->relative_error = made->quality.empty() ? 0 : 0.0043f;
  return made;
}

TEST(LedgerTable, SaysQualityAndErrorAndWhatAPartIs) {
  auto conversation = answers::conversation("1000000000001", 0);
  auto entry = std::make_unique<wire::LedgerEntryT>();
  entry->position_end = 16;
  entry->resid_post = "present";
  entry->lines.push_back(line(0, 8, "present", "high"));
  conversation->ledger.push_back(std::move(entry));
  EXPECT_THAT(render_conversation(*conversation, plain),
              HasSubstr("present high 0.43 %"));
  conversation->ledger[0]->resid_post = "partial";
  conversation->ledger[0]->lines.push_back(line(8, 12, "corrupt"));
  EXPECT_THAT(render_conversation(*conversation, plain),
              HasSubstr("corrupt (layers 8:12, positions 0:16)"));
  const json form = to_json(*conversation).at("ledger")[0].at("lines");
  EXPECT_EQ(form[0].at("quality"), "high");
  EXPECT_EQ(form[1].at("state"), "corrupt");
  EXPECT_FALSE(form[1].contains("quality"));
}

TEST(BytesText, UsesTheLargestUnitBelow) {
  EXPECT_EQ(bytes_text(0), "0 B");
  EXPECT_EQ(bytes_text(1023), "1023 B");
  EXPECT_EQ(bytes_text(1536), "1.5 KiB");
  EXPECT_EQ(bytes_text(5e15), "4547.5 TiB");
}

}  // namespace
}  // namespace lamina::cli

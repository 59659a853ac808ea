#include "client/cli/configuration_table.hpp"

#include <gmock/gmock.h>

namespace lamina::cli {
namespace {

using testing::HasSubstr;

const json document{{"file", "/etc/lamina.yaml"},
                    {"settings",
                     {{{"key", "drain_ms"},
                       {"value", 10000},
                       {"source", "default"},
                       {"live", true}},
                      {{"key", "threads"},
                       {"value", 2},
                       {"source", "/etc/lamina.yaml:3"},
                       {"live", false}},
                      {{"key", "tls.key"},
                       {"value", nullptr},
                       {"source", "default"},
                       {"live", true}}}}};

TEST(ConfigurationTable, HasALineForEachKey) {
  const auto text = render_configuration(document, style(false));
  EXPECT_THAT(text, HasSubstr("\ndrain_ms  10000  default             reload"));
  EXPECT_THAT(text,
              HasSubstr("\nthreads   2      /etc/lamina.yaml:3  restart"));
  EXPECT_THAT(text, HasSubstr("\ntls.key   -      "));
}

TEST(ConfigurationTable, WhatSomebodySaidStandsOut) {
  const auto text = render_configuration(document, style(true));
  EXPECT_THAT(text, HasSubstr("\x1b[1m2\x1b[0m"));
}

TEST(ConfigurationTable, AnotherDocumentIsAnEmptyTable) {
  EXPECT_THAT(render_configuration(json::object(), style(false)),
              HasSubstr("key"));
}

}  // namespace
}  // namespace lamina::cli

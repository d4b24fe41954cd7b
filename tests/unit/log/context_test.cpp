// SPDX-License-Identifier: BSD-3-Clause
#include "log/context.hpp"

#include "support/fake_log.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace nbdstream::log {
namespace {

/// What follows the time in the last line, in JSON.
std::string members_of(const test::fake_log& log) {
  const auto& line = log.as_json.back();
  return line.substr(line.find("\"level\""));
}

TEST(LogContext, PutsItsLabelBeforeEachText) {
  test::fake_log log;
  context vm1(log, about_export("vm1"));
  vm1.warning("{} of {}", 1, 2);
  vm1.inside("stream 3").info("committed");
  context(log).info("plain");
  EXPECT_EQ(log.all(), "export \"vm1\": 1 of 2\nexport \"vm1\": stream 3: committed\nplain\n");
}

TEST(LogContext, TheExportWithoutANameHasNoLabel) {
  test::fake_log log;
  context(log, about_export("")).inside("stream 1").info("joined");
  EXPECT_EQ(log.all(), "stream 1: joined\n");
  EXPECT_EQ(members_of(log), R"("level":"info","message":"stream 1: joined","export":""})"
                             "\n");
}

TEST(LogContext, SaysAsFieldsWhatItIsAbout) {
  test::fake_log log;
  context of(log, {.label = "x", .exported = "a\"b\xff", .stream = 2, .connection = 7});
  const field more[] = {{"offset", std::uint64_t{4096}}, {"seconds", 1.5}};
  of.line(level::error, "text", more);
  EXPECT_EQ(members_of(log),
            "\"level\":\"error\",\"message\":\"x: text\",\"export\":\"a\\\"b\xef\xbf\xbd\","
            "\"stream\":2,\"connection\":7,\"offset\":4096,\"seconds\":1.500}\n");
}

TEST(LogContext, ANumberThatJsonCannotSayIsNull) {
  test::fake_log log;
  const field more[] = {{"rate", std::numeric_limits<double>::infinity()}};
  log.line(level::info, "x", more);
  EXPECT_TRUE(members_of(log).ends_with("\"rate\":null}\n")) << members_of(log);
}

}  // namespace
}  // namespace nbdstream::log

// SPDX-License-Identifier: BSD-3-Clause
#include "log/log.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <string>
#include <string_view>

namespace nbdstream::log {
namespace {

/// What `use` makes a logger write.
std::string written(level limit, format form, const std::function<void(logger&)>& use) {
  std::array<int, 2> ends{};
  EXPECT_EQ(::pipe(ends.data()), 0);
  logger log(limit, form, ends[1]);
  use(log);
  ::close(ends[1]);
  std::string text;
  std::array<char, 4096> buffer{};
  for (ssize_t got; (got = ::read(ends[0], buffer.data(), buffer.size())) > 0;) {
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
  ::close(ends[0]);
  return text;
}

TEST(Log, WritesALineWithItsLevel) {
  EXPECT_EQ(written(level::debug, format::text,
                    [](logger& log) {
                      log.error("no {}", 1);
                      log.warning("hm");
                      log.info("{} of {}", 1, 2);
                      log.debug("x");
                    }),
            "nbdstream: error: no 1\nnbdstream: warning: hm\nnbdstream: 1 of 2\n"
            "nbdstream: debug: x\n");
}

TEST(Log, DropsWhatIsAboveItsLimit) {
  EXPECT_EQ(written(level::warning, format::text,
                    [](logger& log) {
                      log.info("a");
                      log.debug("b");
                      log.line(level::info, "c");
                      log.warning("d");
                      log.configure(level::error, format::text);
                      log.warning("e");
                      EXPECT_FALSE(log.enabled(level::warning));
                    }),
            "nbdstream: warning: d\n");
}

TEST(Log, KeepsAPeersTextOnOneLine) {
  EXPECT_EQ(written(level::info, format::text,
                    [](logger& log) { log.info("{}", "a\nnbdstream: error: forged\x1b[31m\x7f"); }),
            "nbdstream: a\\x0anbdstream: error: forged\\x1b[31m\\x7f\n");
}

TEST(Log, WritesOneJsonObjectALine) {
  const std::string text =
      written(level::info, format::json, [](logger& log) { log.warning("say \"{}\" \\ \n", "x"); });
  constexpr std::string_view form_of_time = "2000-01-01T00:00:00.000Z";
  const std::string begin = R"({"time":")";
  ASSERT_TRUE(text.starts_with(begin)) << text;
  std::string time = text.substr(begin.size(), form_of_time.size());
  EXPECT_TRUE(time.starts_with("2")) << time;
  for (char& c : time) c = c >= '0' && c <= '9' ? '0' : c;
  EXPECT_EQ(time, "0000-00-00T00:00:00.000Z");
  EXPECT_EQ(text.substr(begin.size() + time.size()),
            R"(","level":"warning","message":"say \"x\" \\ \u000a"})"
            "\n");
}

TEST(Log, SurvivesADescriptorThatCannotBeWritten) {
  logger log(level::info, format::text, -1);
  log.info("lost");
}

}  // namespace
}  // namespace nbdstream::log

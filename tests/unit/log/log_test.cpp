// SPDX-License-Identifier: BSD-3-Clause
#include "log/log.hpp"
#include "log/progress.hpp"
#include "log/reason.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <functional>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

namespace nbdstream::log {
namespace {

/// What is in a pipe, both ends of which are closed.
std::string rest_of(const std::array<int, 2>& ends) {
  ::close(ends[1]);
  std::string text;
  std::array<char, 4096> buffer{};
  for (ssize_t got; (got = ::read(ends[0], buffer.data(), buffer.size())) > 0;) {
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
  ::close(ends[0]);
  return text;
}

/// What `use` makes a logger write.
std::string written(level limit, format form, const std::function<void(logger&)>& use) {
  std::array<int, 2> ends{};
  EXPECT_EQ(::pipe(ends.data()), 0);
  logger log(limit, form, ends[1]);
  use(log);
  return rest_of(ends);
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

/// The text of the line in JSON that `message` becomes.
std::string json_of(std::string_view message) {
  const auto line = render(format::json, level::info, message);
  const auto begin = line.find("\"message\":\"") + 11;
  return line.substr(begin, line.size() - begin - 3);
}

TEST(Log, WritesJsonInUtf8WhateverAPeerSends) {
  const std::string bad = "\xef\xbf\xbd";
  EXPECT_EQ(json_of("d\xc3\xa4 \xe2\x82\xac \xf0\x9f\x92\xbe"),
            "d\xc3\xa4 \xe2\x82\xac \xf0\x9f\x92\xbe");
  EXPECT_EQ(json_of("a\xff\xfe!"), "a" + bad + bad + "!");
  EXPECT_EQ(json_of("\xc3"), bad);
  EXPECT_EQ(json_of("\xe2\x82\""), bad + bad + "\\\"");
  EXPECT_EQ(json_of("\xed\xa0\x80"), bad + bad + bad) << "a surrogate";
  EXPECT_EQ(json_of("\xc0\xaf"), bad + bad) << "not the shortest form";
  EXPECT_EQ(json_of("\x7f"), "\\u007f");
}

/// A pipe that nobody reads but the handler of a signal, which comes every millisecond: so each
/// wait for room in it is interrupted, and there is room after that.
class InterruptedLog : public ::testing::Test {
 protected:
  InterruptedLog() {
    EXPECT_EQ(::pipe2(ends_.data(), O_NONBLOCK), 0);
    EXPECT_EQ(::fcntl(ends_[1], F_SETPIPE_SZ, 4096), 4096);
    count_ = 0;
    struct sigaction take {};
    take.sa_handler = [](int) { take_what_there_is(); };
    EXPECT_EQ(::sigaction(SIGALRM, &take, &before_), 0);
  }
  ~InterruptedLog() override {
    ::sigaction(SIGALRM, &before_, nullptr);
    for (const int end : ends_) ::close(end);
  }

  /// What arrives of a line that is logged meanwhile.
  std::string arrived(const std::string& line) {
    logger log(level::info, format::text, ends_[1]);
    itimerval often{{0, 1000}, {0, 1000}};
    ::setitimer(ITIMER_REAL, &often, nullptr);
    log.info("{}", line);
    often = {};
    ::setitimer(ITIMER_REAL, &often, nullptr);
    take_what_there_is();
    return {taken_.data(), count_};
  }

  void fill() const {
    const std::array<char, 4096> page{};
    EXPECT_EQ(::write(ends_[1], page.data(), page.size()), 4096);
  }

 private:
  static void take_what_there_is() {
    const int error = errno;
    for (ssize_t got = 1; got > 0;) {
      got = ::read(ends_[0], taken_.data() + count_, taken_.size() - count_);
      if (got > 0) count_ += static_cast<std::size_t>(got);
    }
    errno = error;
  }

  static inline std::array<int, 2> ends_{};
  static inline std::array<char, 65536> taken_{};
  static inline std::size_t count_ = 0;
  struct sigaction before_ {};
};

TEST_F(InterruptedLog, KeepsItsLine) {
  fill();
  const auto text = arrived("the last line");
  EXPECT_TRUE(text.ends_with("nbdstream: the last line\n")) << text.size();
}

TEST_F(InterruptedLog, KeepsTheRestOfALineThatIsTakenInPart) {
  const std::string line(10'000, 'x');
  EXPECT_EQ(arrived(line), "nbdstream: " + line + "\n");
}

TEST(Progress, IsJsonOnlyWhereItWouldStandInALogOfIt) {
  std::array<int, 2> log{};
  std::array<int, 2> apart{};
  ASSERT_EQ(::pipe(log.data()), 0);
  ASSERT_EQ(::pipe(apart.data()), 0);
  const int same = ::dup(log[1]);
  write_progress(apart[1], "1 bytes", format::json, log[1]);
  write_progress(same, "2 bytes", format::text, log[1]);
  write_progress(same, "3 bytes", format::json, log[1]);
  ::close(same);
  EXPECT_EQ(rest_of(apart), "1 bytes\n");
  const auto lines = rest_of(log);
  EXPECT_TRUE(lines.starts_with("2 bytes\n{\"time\":\"")) << lines;
  EXPECT_TRUE(lines.ends_with(R"("level":"info","message":"3 bytes"})"
                              "\n"))
      << lines;
}

TEST(Reason, SaysThatMemoryIsOut) {
  EXPECT_EQ(reason(std::make_exception_ptr(std::bad_alloc())), "out of memory");
  EXPECT_EQ(reason(std::make_exception_ptr(std::logic_error("odd"))), "internal error: odd");
  EXPECT_EQ(reason(std::make_exception_ptr(std::system_error(EMFILE, std::generic_category()))),
            "Too many open files");
  EXPECT_EQ(reason(std::make_exception_ptr(1)), "internal error");
}

TEST(Log, SurvivesADescriptorThatCannotBeWritten) {
  logger log(level::info, format::text, -1);
  log.info("lost");
}

}  // namespace
}  // namespace nbdstream::log

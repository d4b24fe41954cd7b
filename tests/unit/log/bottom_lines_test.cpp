// SPDX-License-Identifier: BSD-3-Clause
#include "log/bottom_lines.hpp"

#include "log/log.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <thread>

namespace nbdstream::log {
namespace {

class BottomLines : public ::testing::Test {
 protected:
  BottomLines() {
    termios raw{};
    ::cfmakeraw(&raw);  // so that what arrives is what was written
    EXPECT_EQ(::openpty(&master_, &terminal_, nullptr, &raw, nullptr), 0);
    lines_ = std::make_shared<bottom_lines>(terminal_);
    log_ = std::make_unique<logger>(level::info, format::text, terminal_);
    log_->write_above(lines_);
  }
  ~BottomLines() override {
    log_.reset();
    lines_.reset();
    ::close(terminal_);
    ::close(master_);
  }

  /// What has arrived at the terminal until now.
  std::string arrived() const {
    std::string text;
    std::array<char, 4096> buffer{};
    for (pollfd ready{master_, POLLIN, 0}; ::poll(&ready, 1, 0) == 1;) {
      const auto got = ::read(master_, buffer.data(), buffer.size());
      if (got <= 0) break;
      text.append(buffer.data(), static_cast<std::size_t>(got));
    }
    return text;
  }

  int master_ = -1;
  int terminal_ = -1;
  std::shared_ptr<bottom_lines> lines_;
  std::unique_ptr<logger> log_;
};

TEST_F(BottomLines, AreDrawnInTheirPlaceEachTime) {
  lines_->draw({"one", "two"});
  EXPECT_EQ(arrived(), "one\x1b[K\r\ntwo\x1b[K\x1b[J");
  lines_->draw({"three"});
  EXPECT_EQ(arrived(), "\r\x1b[1Athree\x1b[K\x1b[J");
  lines_->draw({"four"});
  EXPECT_EQ(arrived(), "\rfour\x1b[K\x1b[J");
}

TEST_F(BottomLines, MakeRoomForALineOfTheLog) {
  log_->info("before");
  EXPECT_EQ(arrived(), "nbdstream: before\n");
  lines_->draw({"one", "two"});
  static_cast<void>(arrived());
  log_->info("between");
  EXPECT_EQ(arrived(), "\r\x1b[1A\x1b[Jnbdstream: between\none\x1b[K\r\ntwo\x1b[K");
}

TEST_F(BottomLines, LeaveTheCursorInTheFirstColumn) {
  lines_->draw({"one", "two"});
  static_cast<void>(arrived());
  lines_->erase();
  EXPECT_EQ(arrived(), "\r\x1b[1A\x1b[J");
  lines_->erase();
  EXPECT_EQ(arrived(), "");
}

TEST_F(BottomLines, StayWhereTheTerminalIsSomebodyElses) {
  lines_->draw({"one"});
  static_cast<void>(arrived());
  lines_->leave();
  lines_->erase();
  EXPECT_EQ(arrived(), "");
}

TEST_F(BottomLines, DoNotBlockOnATerminalThatTakesNothing) {
  ::alarm(20);  // the deadline of this test
  const std::string line(1000, 'x');
  for (int i = 0; i < 200; ++i) lines_->draw({line});
  for (int i = 0; i < 20; ++i) log_->info("{}", line);
  ::alarm(0);
  EXPECT_FALSE(arrived().empty());
}

TEST_F(BottomLines, DoNotTearALineOfAnyThread) {
  constexpr int each = 200;
  std::atomic<bool> done = false;
  std::string seen;
  std::thread terminal([&] {
    while (!done) seen += arrived();
    seen += arrived();
  });
  const auto work = [&](int thread) {
    for (int i = 0; i < each; ++i) log_->info("thread {} line {};", thread, i);
  };
  std::thread one(work, 1);
  std::thread two(work, 2);
  for (int i = 0; i < each; ++i) lines_->draw({"drawn"});
  one.join();
  two.join();
  done = true;
  terminal.join();
  int whole = 0;
  for (const int thread : {1, 2}) {
    for (int i = 0; i < each; ++i) {
      const auto line = fmt::format("nbdstream: thread {} line {};\n", thread, i);
      whole += seen.find(line) != seen.npos ? 1 : 0;
    }
  }
  EXPECT_EQ(whole, 2 * each);
}

}  // namespace
}  // namespace nbdstream::log

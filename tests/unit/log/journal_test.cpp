// SPDX-License-Identifier: BSD-3-Clause
#include "log/journal.hpp"

#include "log/context.hpp"
#include "support/datagrams.hpp"
#include "support/temp_directory.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <array>
#include <string>

namespace nbdstream::log {
namespace {

class JournalLog : public ::testing::Test {
 protected:
  JournalLog() { EXPECT_EQ(::pipe(ends_.data()), 0); }
  ~JournalLog() override {
    ::close(ends_[0]);
    if (ends_[1] >= 0) ::close(ends_[1]);
  }

  [[nodiscard]] std::string path() const { return directory_.path() / "socket"; }

  /// What went to the log's own descriptor.
  [[nodiscard]] std::string on_descriptor() {
    ::close(ends_[1]);
    ends_[1] = -1;
    std::string text(4096, '\0');
    const auto got = ::read(ends_[0], text.data(), text.size());
    text.resize(static_cast<std::size_t>(got));
    return text;
  }

  test::temp_directory directory_;
  std::array<int, 2> ends_{};
};

/// A value with its length before it.
std::string with_length(std::string_view value) {
  std::string text(8, '\0');
  text[0] = static_cast<char>(value.size());
  return text.append(value);
}

TEST_F(JournalLog, EachEventHasItsFields) {
  const test::datagrams socket(path());
  logger log(level::info, format::text, ends_[1]);
  ASSERT_TRUE(log.use_journal(path()));
  context vm1(log, {.label = "x", .exported = "vm1", .stream = 2, .connection = 7});
  const field more[] = {{"offset", std::uint64_t{4096}}, {"seconds", 0.5}};
  vm1.line(level::error, "text", more);
  vm1.debug("dropped");
  log.info("plain");
  EXPECT_EQ(socket.next(),
            "MESSAGE=x: text\nPRIORITY=3\nSYSLOG_IDENTIFIER=nbdstream\nNBDSTREAM_EXPORT=vm1\n"
            "NBDSTREAM_STREAM=2\nNBDSTREAM_CONNECTION=7\nNBDSTREAM_OFFSET=4096\n"
            "NBDSTREAM_SECONDS=0.500\n");
  EXPECT_EQ(socket.next(), "MESSAGE=plain\nPRIORITY=6\nSYSLOG_IDENTIFIER=nbdstream\n");
  EXPECT_EQ(on_descriptor(), "");
}

TEST_F(JournalLog, ABinaryValueHasItsLengthBeforeIt) {
  const test::datagrams socket(path());
  logger log(level::info, format::text, ends_[1]);
  ASSERT_TRUE(log.use_journal(path()));
  const field more[] = {{"export", std::string_view("a\nPRIORITY=0")}};
  log.line(level::warning, "b\xff\nc", more);
  EXPECT_EQ(socket.next(), "MESSAGE\n" + with_length("b\xff\\x0ac") +
                               "\nPRIORITY=4\nSYSLOG_IDENTIFIER=nbdstream\nNBDSTREAM_EXPORT\n" +
                               with_length("a\nPRIORITY=0") + "\n");
}

TEST_F(JournalLog, ALongTextIsCutBetweenTwoCharacters) {
  const test::datagrams socket(path());
  logger log(level::info, format::text, ends_[1]);
  ASSERT_TRUE(log.use_journal(path()));
  std::string text(journal::longest_text - 1, 'x');
  for (int i = 0; i < 100'000; ++i) text += "\xc3\xa4";
  log.info("{}", text);
  const auto event = socket.next();
  const auto expected = "MESSAGE=" + text.substr(0, journal::longest_text - 1) +
                        " [200000 bytes more were cut off]\n";
  EXPECT_EQ(event.substr(0, expected.size()), expected);
}

TEST_F(JournalLog, WithoutAJournalLinesStayWhereTheyWere) {
  logger log(level::info, format::text, ends_[1]);
  EXPECT_FALSE(log.use_journal(path()));
  log.info("here");
  EXPECT_EQ(on_descriptor(), "nbdstream: here\n");
}

TEST_F(JournalLog, WhatAJournalThatWentAwayDoesNotTakeGoesToTheDescriptor) {
  logger log(level::info, format::text, ends_[1]);
  {
    const test::datagrams socket(path());
    ASSERT_TRUE(log.use_journal(path()));
  }
  log.info("there");
  std::filesystem::remove(path());
  const test::datagrams again(path());
  log.info("again");
  EXPECT_TRUE(again.next().starts_with("MESSAGE=again\n"));
  EXPECT_EQ(on_descriptor(), "nbdstream: there\n");
}

TEST_F(JournalLog, OneThatIsFullCostsNoMoreThanAMoment) {
  const test::datagrams socket(path());
  logger log(level::info, format::text, ends_[1]);
  ASSERT_TRUE(log.use_journal(path()));
  const journal direct(path());
  while (direct.send(level::info, "fill", {})) continue;
  const auto before = std::chrono::steady_clock::now();
  log.info("lost there");
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(5));
  EXPECT_EQ(on_descriptor(), "nbdstream: lost there\n");
}

TEST_F(JournalLog, StderrIsTheJournalWhereTheEnvironmentNamesIt) {
  struct stat found {};
  ASSERT_EQ(::fstat(ends_[1], &found), 0);
  ::unsetenv("JOURNAL_STREAM");
  EXPECT_FALSE(is_journal_stream(ends_[1]));
  const auto here = std::to_string(found.st_dev) + ":" + std::to_string(found.st_ino);
  ::setenv("JOURNAL_STREAM", here.c_str(), 1);
  EXPECT_TRUE(is_journal_stream(ends_[1]));
  EXPECT_FALSE(is_journal_stream(-1));
  ::setenv("JOURNAL_STREAM", (here + "0").c_str(), 1);
  EXPECT_FALSE(is_journal_stream(ends_[1]));
  ::unsetenv("JOURNAL_STREAM");
}

}  // namespace
}  // namespace nbdstream::log

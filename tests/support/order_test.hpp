// SPDX-License-Identifier: BSD-3-Clause
//
// What the tests of --order share: what the log says of a stream's end, and disks that are too
// large to be copied once more.
#ifndef NBDSTREAM_TESTS_SUPPORT_ORDER_TEST_HPP
#define NBDSTREAM_TESTS_SUPPORT_ORDER_TEST_HPP

#include "support/integration_test.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <regex>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace nbdstream::test {

/// What is said of a committed stream. All but `ahead` in bytes.
struct closing_line {
  std::uint64_t bytes = 0;
  std::uint64_t zeroes = 0;    ///< that no payload carried
  std::uint64_t ahead = 0;     ///< so many writes came ahead of the stream; 0: in order
  std::uint64_t furthest = 0;  ///< by up to so much
  std::uint64_t memory = 0;    ///< most held at once
  std::uint64_t spilled = 0;   ///< most held at once
};

[[nodiscard]] inline std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

/// The closing line of the one stream in this log. An exception if there is not exactly one, or if
/// its words are others.
[[nodiscard]] inline closing_line closing_line_of(const std::string& log) {
  static const std::regex words(
      R"(.*stream 1: committed, (\d+) bytes, (\d+) of them zeroes that no payload carried, )"
      R"(in \d+\.\d\d s[^;]*; (?:in order|(\d+) writes? came ahead )"
      R"(of the stream, by up to (\d+) bytes; )"
      R"(most held at once: (\d+) bytes in memory, (\d+) bytes spilled))");
  std::vector<closing_line> found;
  for (const auto& line : lines_of(log)) {
    std::smatch part;
    if (line.find(": committed, ") == line.npos || !std::regex_match(line, part, words)) continue;
    const auto number = [&](std::size_t i) { return part[i].matched ? std::stoull(part[i]) : 0; };
    found.push_back({number(1), number(2), number(3), number(4), number(5), number(6)});
  }
  if (found.size() != 1) throw std::runtime_error("not one closing line in:\n" + log);
  return found.front();
}

/// How many connections wrote to a stream, by a log of level debug.
[[nodiscard]] inline std::size_t writers_of(const std::string& log) {
  std::set<std::string> writers;
  for (const auto& line : lines_of(log)) {
    const auto at = line.find("joined by connection ");
    if (at != line.npos) writers.insert(line.substr(at));
  }
  return writers.size();
}

/// Whether exactly one line of a log has all of these in it.
[[nodiscard]] inline ::testing::AssertionResult one_line_has(const std::string& log,
                                                             const arguments& parts) {
  const auto lines = lines_of(log);
  const auto count = std::count_if(lines.begin(), lines.end(), [&](const std::string& line) {
    return std::all_of(parts.begin(), parts.end(),
                       [&](const auto& part) { return line.find(part) != line.npos; });
  });
  if (count == 1) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure()
         << count << " lines have all of " << ::testing::PrintToString(parts) << " in:\n"
         << log;
}

class order_test : public integration_test {
 protected:
  /// A bound for what may be slow on a busy machine with sanitizers, as it moves a whole GiB.
  static constexpr std::chrono::milliseconds long_patience{90'000};

  /// A reader of the FIFO `output` that fails unless what it reads is what is in `expected`, which
  /// must exist when the stream begins. cmp(1) would take ten times as long for it.
  [[nodiscard]] process start_comparison(const std::string& expected = "in.raw") const {
    return start({"/usr/bin/python3", "-c", R"(
import os, sys, time
while not os.path.exists('output'):
    time.sleep(0.01)
at = 0
with open('output', 'rb') as stream, open(sys.argv[1], 'rb') as expected:
    while True:
        ours, theirs = stream.read(1 << 20), expected.read(1 << 20)
        if ours != theirs:
            same = os.path.commonprefix([ours, theirs])
            raise SystemExit(f'the stream is another from byte {at + len(same)} on')
        if not ours:
            break
        at += len(ours)
)",
                  expected});
  }

  /// Runs `command` with --run and further arguments. The stream must be committed and be what is
  /// in `expected`; the result is nbdstream's log.
  std::string log_of(const std::string& command, const arguments& more = {},
                     const std::string& expected = "in.raw") const {
    process reader = start_comparison(expected);
    const result ended = start_nbdstream(running(command, more)).wait(long_patience);
    EXPECT_TRUE(ended_with(0, ended));
    EXPECT_TRUE(ended_with(0, reader.wait()));
    return ended.err;
  }

  /// A raw disk with random data only at the beginning of each `stride`: `data` bytes of it.
  void make_islands(const std::string& name, std::uint64_t size, std::uint64_t stride,
                    std::uint64_t data) const {
    const std::string script = R"(
import random, sys
size, stride, data = map(int, sys.argv[2:])
rng = random.Random(1)
with open(sys.argv[1], 'wb') as disk:
    for at in range(0, size, stride):
        disk.seek(at)
        disk.write(rng.randbytes(data))
    disk.truncate(size)
)";
    const result made = start({"/usr/bin/python3", "-c", script, name, std::to_string(size),
                               std::to_string(stride), std::to_string(data)})
                            .wait();
    if (made.status != 0) throw std::runtime_error("cannot make " + name + ": " + made.err);
  }
};

}  // namespace nbdstream::test
#endif

// SPDX-License-Identifier: BSD-3-Clause
//
// Several nbdstream processes write to one FIFO.
#include "support/integration_test.hpp"

#include <sys/stat.h>

namespace nbdstream::test {
namespace {

class FifoProcesses : public integration_test {
 protected:
  void SetUp() override { ASSERT_EQ(::mkfifo(path("output").c_str(), 0600), 0); }

  /// A shell command: nbdstream makes the file `begun`, then sends `letter` `length` times.
  [[nodiscard]] std::string sender(char letter, std::size_t length, const std::string& begun,
                                   const std::string& end = "") const {
    write_file(path(begun + ".sh"), "touch " + begun + "; nbdsh -u \"$uri\" -c \"h.pwrite(b'" +
                                        std::string(1, letter) + "' * " + std::to_string(length) +
                                        ", 0)\"" + end);
    return "nbdstream --sink fifo:output --run '. ./" + begun + ".sh'";
  }

  /// Expects that the reader gets `letter` `length` times, and then the end of the file.
  static void expect_stream(peer& reader, char letter, std::size_t length) {
    EXPECT_EQ(reader.drain(), ending::end_of_file);
    EXPECT_TRUE(reader.received() == std::string(length, letter));
  }
};

TEST_F(FifoProcesses, SecondStreamWaitsUntilTheReaderCloses) {
  for (const std::string failure : {"", "; exit 3"}) {
    process both = start_shell(sender('A', 1000, "first", failure) +
                               (failure.empty() ? " && " : "; ") + sender('B', 1000, "second"));
    peer reader = open_fifo(path("output"));
    reader.take(1000);
    EXPECT_FALSE(eventually([&] { return std::filesystem::exists(path("second")); },
                            std::chrono::seconds(1)));
    expect_stream(reader, 'A', 1000);
    reader.leave();
    wait_for("second");
    peer next = open_fifo(path("output"));
    expect_stream(next, 'B', 1000);
    next.leave();
    EXPECT_TRUE(ended_with(0, both.wait()));
    std::filesystem::remove(path("second"));
  }
}

TEST_F(FifoProcesses, ConcurrentProcessesSendOneStreamAfterAnother) {
  constexpr std::size_t length = 4 * MiB;
  process a = start_shell(sender('A', length, "first"));
  process b = start_shell(sender('B', length, "second"));
  wait_for("first");
  wait_for("second");
  std::string letters;
  for (int stream = 0; stream < 2; ++stream) {
    peer reader = open_fifo(path("output"));
    EXPECT_EQ(reader.drain(), ending::end_of_file);
    ASSERT_EQ(reader.received().size(), length);
    letters += reader.received().front();
    EXPECT_TRUE(reader.received() == std::string(length, letters.back()));
  }
  EXPECT_NE(letters[0], letters[1]);
  EXPECT_TRUE(ended_with(0, a.wait()));
  EXPECT_TRUE(ended_with(0, b.wait()));
}

TEST_F(FifoProcesses, CloseTimeoutCommitsIfTheReaderNeverCloses) {
  process server = start_nbdstream({"--sink", "fifo:output", "-o", "close-timeout=200ms", "--run",
                                    client_command("h.pwrite(b'all', 0)")});
  peer reader = open_fifo(path("output"));
  EXPECT_EQ(reader.drain(), ending::end_of_file);
  EXPECT_EQ(reader.received(), "all");
  const result ended = server.wait();
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_TRUE(mentions(ended.err, "output: the reader has not closed it"));
}

}  // namespace
}  // namespace nbdstream::test

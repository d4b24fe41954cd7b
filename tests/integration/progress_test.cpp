// SPDX-License-Identifier: BSD-3-Clause
//
// --progress: on a terminal, in the log, and on a descriptor for programs. And the state on
// SIGUSR1.
#include "support/integration_test.hpp"

#include <algorithm>
#include <sstream>

namespace nbdstream::test {
namespace {

/// Writes half of 16 MiB, and the rest once the file `seen` exists.
const std::string half_and_half =
    "import os, signal, time\n"
    "signal.signal(signal.SIGINT, signal.SIG_DFL)\n"
    "for i in range(8): h.pwrite(bytes([i + 1]) * 2**20, i * 2**20)\n"
    "while not os.path.exists('seen'): time.sleep(0.01)\n"
    "for i in range(8, 16): h.pwrite(bytes([i + 1]) * 2**20, i * 2**20)\n"
    "h.shutdown()\n";

class progress_test : public integration_test {
 protected:
  progress_test() { write_file(path("client.sh"), client_command(half_and_half)); }

  const arguments half_then_seen_{"--sink", "null", "--size", "16M", "--run", "exec sh client.sh"};
};

class ProgressOnTerminal : public progress_test {
 protected:
  /// Runs nbdstream on a terminal. When the screen shows `pattern`, types `keys` and lets the
  /// client continue.
  [[nodiscard]] result on_terminal(int columns, const std::string& pattern,
                                   const arguments& options, const std::string& keys = "",
                                   const std::vector<std::string>& environment = {}) const {
    arguments all = half_then_seen_;
    all.insert(all.end(), options.begin(), options.end());
    return show(columns, pattern, keys, all, environment);
  }
  [[nodiscard]] result show(int columns, const std::string& pattern, const std::string& keys,
                            const arguments& options,
                            const std::vector<std::string>& environment = {}) const {
    arguments all{"/usr/bin/python3",
                  source_directory + "/tests/support/terminal.py",
                  std::to_string(columns),
                  "24",
                  pattern,
                  keys,
                  "nbdstream",
                  "--progress"};
    all.insert(all.end(), options.begin(), options.end());
    process::options how;
    how.environment = {"TERM=xterm", "NO_COLOR="};
    how.environment.insert(how.environment.end(), environment.begin(), environment.end());
    return start(all, how).wait();
  }
  [[nodiscard]] std::string written() const { return read_file(path("written")); }

  /// At the end the screen shows only whole lines of the log, and the cursor is in column 0.
  static void expect_only_the_log(const std::string& screen) {
    EXPECT_TRUE(mentions(screen, "\ncursor in column 0\n"));
    EXPECT_TRUE(screen.starts_with("nbdstream: ")) << screen;
    EXPECT_EQ(screen.find("streaming"), screen.npos) << screen;
    EXPECT_EQ(screen.find(" left"), screen.npos) << screen;
  }
};

TEST_F(ProgressOnTerminal, IsOneLineThatIsErasedAtTheEnd) {
  const auto ended = on_terminal(80, "streaming 50 %, 8.0 MiB of 16.0 MiB, .*/s", {});
  EXPECT_TRUE(ended_with(0, ended));
  expect_only_the_log(ended.out);
  EXPECT_TRUE(mentions(ended.out, "committed, 16777216 bytes"));
}

TEST_F(ProgressOnTerminal, FitsIn40Columns) {
  const auto ended = on_terminal(40, "streaming 50 %, 8.0 MiB", {});
  EXPECT_TRUE(ended_with(0, ended));
  expect_only_the_log(ended.out);
}

TEST_F(ProgressOnTerminal, FitsIn12Columns) {
  EXPECT_TRUE(ended_with(0, on_terminal(12, "streaming", {})));
}

TEST_F(ProgressOnTerminal, LogLinesPassAboveIt) {
  const auto ended = on_terminal(200, "streaming 50 %", {"-v"});
  EXPECT_TRUE(ended_with(0, ended));
  expect_only_the_log(ended.out);
  std::istringstream screen(ended.out);
  int lines = 0;
  for (std::string line; std::getline(screen, line) && !line.starts_with("cursor"); ++lines) {
    EXPECT_TRUE(line.starts_with("nbdstream: ")) << ended.out;
  }
  EXPECT_GT(lines, 4) << ended.out;
}

TEST_F(ProgressOnTerminal, IsErasedAfterSigint) {
  const auto ended = on_terminal(80, "streaming 50 %", {}, "\x03");
  EXPECT_TRUE(ended_with(128 + SIGINT, ended));
  expect_only_the_log(ended.out);
}

TEST_F(ProgressOnTerminal, HasOneLineForEachExport) {
  write_file(path("two.toml"),
             "[[export]]\nname = \"one\"\n[export.sink]\nmodule = \"null\"\n"
             "[[export]]\nname = \"other\"\n[export.sink]\nmodule = \"null\"\n");
  const auto ended = show(80, "one:   waiting for a client\nother: waiting for a client", "\x03",
                          {"--config", "two.toml", "-U", "sock"});
  EXPECT_TRUE(ended_with(128 + SIGINT, ended));
  expect_only_the_log(ended.out);
  EXPECT_EQ(ended.out.find("waiting"), std::string::npos) << ended.out;
}

TEST_F(ProgressOnTerminal, IsColoured) {
  EXPECT_TRUE(ended_with(0, on_terminal(80, "streaming 50 %", {})));
  EXPECT_TRUE(mentions(written(), "\x1b[32mstreaming\x1b[0m"));
}

TEST_F(ProgressOnTerminal, NoColorRemovesColour) {
  EXPECT_TRUE(ended_with(0, on_terminal(80, "streaming 50 %", {}, "", {"NO_COLOR=1"})));
  EXPECT_TRUE(mentions(written(), "\x1b[K"));
  EXPECT_EQ(written().find("\x1b[3"), std::string::npos);
}

/// The shell of an editor is such a terminal. It gets whole lines only.
TEST_F(ProgressOnTerminal, DumbTerminalGetsNoEscapeSequences) {
  write_file(path("seen"), "");
  EXPECT_TRUE(ended_with(0, on_terminal(80, "committed", {}, "", {"TERM=dumb"})));
  EXPECT_EQ(written().find('\x1b'), std::string::npos) << written();
}

class ProgressWithoutTerminal : public progress_test {};

TEST_F(ProgressWithoutTerminal, LogsLineAfter10Seconds) {
  process server = start_nbdstream(
      {"--progress", "--sink", "null", "--size", "16M", "--run", "exec sh client.sh"});
  EXPECT_TRUE(eventually([&] {
    return server.err().starts_with("nbdstream: streaming, 50 %, 8388608 of 16777216 bytes, ");
  }));
  write_file(path("seen"), "");
  const auto ended = server.wait();
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_EQ(ended.err.find("streaming", 20), std::string::npos) << ended.err;
}

TEST_F(ProgressWithoutTerminal, LogsNothingForShorterStream) {
  write_file(path("seen"), "");
  arguments options = half_then_seen_;
  options.insert(options.begin(), "--progress");
  const auto ended = nbdstream(options);
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_FALSE(mentions(ended.err, "streaming")) << ended.err;
  EXPECT_FALSE(mentions(ended.err, "waiting")) << ended.err;
}

class ProgressForPrograms : public progress_test {
 protected:
  /// All lines that nbdstream writes to the descriptor of --progress=FD.
  std::string lines_of(const std::string& options, int status = 0) {
    write_file(path("seen"), "");
    EXPECT_TRUE(ended_with(
        status,
        start_shell("exec nbdstream --progress=7 --sink null " + options + " 7> lines").wait()));
    return read_file(path("lines"));
  }
};

TEST_F(ProgressForPrograms, HasFormatOfNbdcopyAndRisesTo100) {
  process server = start_shell(
      "exec nbdstream --progress=7 --sink null --size 16M"
      " --run 'exec sh client.sh' 7> lines");
  EXPECT_TRUE(eventually([&] { return read_file(path("lines")).ends_with("\n50/100\n"); }));
  write_file(path("seen"), "");
  EXPECT_TRUE(ended_with(0, server.wait()));
  std::istringstream lines(read_file(path("lines")));
  int before = -1;
  for (std::string line; std::getline(lines, line);) {
    ASSERT_TRUE(line.ends_with("/100")) << line;
    EXPECT_GT(std::stoi(line), before);
    before = std::stoi(line);
  }
  EXPECT_EQ(before, 100);
}

TEST_F(ProgressForPrograms, UnknownSizeGivesOneLineOf100) {
  EXPECT_EQ(lines_of("--run 'exec sh client.sh'"), "100/100\n");
}

TEST_F(ProgressForPrograms, AbortedStreamNeverReports100) {
  const auto lines = lines_of("--size 16M --run 'sh client.sh; exit 3'", 3);
  EXPECT_TRUE(mentions(lines, "/100\n"));
  EXPECT_EQ(lines.find("100/100"), lines.npos) << lines;
}

class Sigusr1 : public integration_test {};

TEST_F(Sigusr1, LogsOneStateLineForEachExport) {
  write_file(path("two.toml"),
             "[[export]]\nname = \"one\"\nsize = \"4k\"\n[export.sink]\nmodule = \"null\"\n"
             "[[export]]\nname = \"two\"\n[export.sink]\nmodule = \"null\"\n");
  process server = start_listening({"--config", "two.toml"});
  process writer = start_client("write_and_stay(b'x' * 1024)", "nbd+unix:///one?socket=sock");
  wait_for("sent");
  EXPECT_TRUE(eventually([&] {
    server.signal(SIGUSR1);
    return server.err().find("nbdstream: export \"one\": streaming, 25 %, 1024 of 4096 bytes, ") !=
           std::string::npos;
  }));
  EXPECT_TRUE(mentions(server.err(), "nbdstream: export \"two\": waiting for a client; "));
  server.signal(SIGTERM);
  EXPECT_TRUE(ended_with(128 + SIGTERM, server.wait()));
}

TEST_F(Sigusr1, IsIgnoredIfParentIgnoredIt) {
  process server = start_shell("trap '' USR1; exec nbdstream -U sock -P pid --size 1M --sink null");
  wait_for("pid");
  server.signal(SIGUSR1);
  server.signal(SIGTERM);
  const auto ended = server.wait();
  EXPECT_TRUE(ended_with(128 + SIGTERM, ended));
  EXPECT_EQ(ended.err.find("waiting for a client"), std::string::npos) << ended.err;
}

}  // namespace
}  // namespace nbdstream::test

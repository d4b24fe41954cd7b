// SPDX-License-Identifier: BSD-3-Clause
//
// The command of --run as a job of a shell with a terminal, in the foreground and in the
// background.
#include "support/integration_test.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <optional>

namespace nbdstream::test {
namespace {

const std::string control_c = "\x03";
const std::string control_z = "\x1a";

/// Waits for a line from the terminal, and keeps it in a file.
const std::string asks =
    "echo $$ > begun; read answer < /dev/tty; echo \"$answer\" > answer; exit 4";

/// Waits for a line from the FIFO `go`. (A loop around sleep(1) would not work: sh uses vfork(2),
/// and cannot be stopped before the child has become another program.)
const std::string waits = "echo $$ > begun; read line < go; exit 6";

class RunTerminal : public integration_test {
 protected:
  /// Starts a shell in a terminal of its own.
  explicit RunTerminal(const arguments& shell = {"bash", "--norc", "--noprofile", "--noediting",
                                                 "-i"}) {
    process::options how;
    how.terminal = terminal_.slave.get();
    how.out = terminal_.slave.get();
    how.environment = {"PS1=$ "};
    EXPECT_EQ(::mkfifo(path("go").c_str(), 0600), 0);
    shell_.emplace(start(shell, how));
  }

  void TearDown() override {
    type("exit\n");
    type("exit\n");  // the shell refuses the first one while a job is stopped
    static_cast<void>(shell_->wait());
    integration_test::TearDown();
  }

  /// Types `text` at the terminal.
  void type(const std::string& text) {
    const auto typed = ::write(terminal_.master.fd(), text.data(), text.size());
    EXPECT_EQ(typed, static_cast<ssize_t>(text.size()));
  }

  /// Lets the shell run `line` and write its exit status to the file `status`.
  void run(const std::string& line) {
    type(line + "\necho $? > status.new; mv status.new status\n");
  }

  /// The shell command that starts nbdstream with `command`, in single quotes.
  static std::string streaming(const std::string& command,
                               const std::string& sink = "fifo:output") {
    return "nbdstream --sink " + sink + " --run '" + command + "'";
  }

  /// The content of a file, once it is there.
  std::string content(const std::string& name) const {
    wait_for(name);
    std::string text;
    EXPECT_TRUE(eventually([&] { return (text = read_file(path(name))).ends_with('\n'); }));
    return text;
  }

  /// Waits until the command, whose process ID is in `begun`, or the shell is in the foreground.
  /// Earlier input would go to the previous foreground process.
  void wait_for_command() const {
    const auto group = std::stoi(content("begun"));
    EXPECT_TRUE(eventually([&] { return ::tcgetpgrp(terminal_.master.fd()) == group; }));
  }
  void wait_for_shell() const {
    EXPECT_TRUE(eventually([&] { return ::tcgetpgrp(terminal_.master.fd()) == shell_->pid(); }));
  }

  /// Whether the shell reports a stopped job. Asks again until it does.
  ::testing::AssertionResult has_stopped_job() {
    wait_for_shell();
    const bool stopped = eventually([&] {
      std::filesystem::remove(path("jobs"));
      type("jobs -s > jobs.new; echo >> jobs.new; mv jobs.new jobs\n");
      return content("jobs").find("nbdstream") != std::string::npos;
    });
    return stopped ? ::testing::AssertionSuccess() : ::testing::AssertionFailure();
  }

 private:
  terminal terminal_ = make_terminal();
  std::optional<process> shell_;
};

TEST_F(RunTerminal, CommandGetsForegroundAndShellGetsItBack) {
  write_file(path("script"), streaming(asks) + "\necho $? > status\n" +
                                 "read after < /dev/tty\necho \"$after\" > after\n");
  type("sh script\n");
  wait_for_command();
  type("yes\n");
  EXPECT_EQ(content("status"), "4\n");
  type("and on\n");
  EXPECT_EQ(content("answer"), "yes\n");
  EXPECT_EQ(content("after"), "and on\n");
}

TEST_F(RunTerminal, CommandMayWriteAndConfigureItDespiteTostop) {
  type("stty tostop\n");
  run(streaming("stty -a < /dev/tty > /dev/tty; stty echo < /dev/tty; exit 5") + " -v");
  EXPECT_EQ(content("status"), "5\n");
}

TEST_F(RunTerminal, ControlZStopsJobAndFgContinuesIt) {
  type(streaming(asks) + "\n");
  for (int i = 0; i < 2; ++i) {
    wait_for_command();
    type(control_z);
    EXPECT_TRUE(has_stopped_job());
    type("fg\n");
  }
  wait_for_command();
  type("yes\n");
  EXPECT_EQ(content("answer"), "yes\n");
  run("");
  EXPECT_EQ(content("status"), "4\n");
}

TEST_F(RunTerminal, BackgroundJobLeavesItToShell) {
  type(streaming(waits) + " & job=$!\n");
  wait_for("begun");
  run("true");
  EXPECT_EQ(content("status"), "0\n");
  type("echo > go\n");
  std::filesystem::remove(path("status"));
  run("wait $job");
  EXPECT_EQ(content("status"), "6\n");
}

TEST_F(RunTerminal, ReadInBackgroundStopsJob) {
  type(streaming(asks) + " &\n");
  wait_for("begun");
  EXPECT_TRUE(has_stopped_job());
  type("fg\n");
  wait_for_command();
  type("yes\n");
  EXPECT_EQ(content("answer"), "yes\n");
}

TEST_F(RunTerminal, BgContinuesStoppedJob) {
  type(streaming(waits) + "\n");
  wait_for_command();
  type(control_z);
  EXPECT_TRUE(has_stopped_job());
  type("bg; echo > go\n");
  run("wait %1");
  EXPECT_EQ(content("status"), "6\n");
}

/// If only nbdstream ended, the right side of the pipe would see the end of a whole stream.
TEST_F(RunTerminal, ControlCEndsWholeJob) {
  type(streaming("echo $$ > begun; exec sleep 1000", "stdout") + " | cat > part\n");
  wait_for_command();
  type(control_c);
  wait_for_shell();
  type("echo ${PIPESTATUS[@]} > both.new; mv both.new both\n");
  EXPECT_EQ(content("both"), "130 130\n");
}

/// As in a container with a terminal: no shell could continue a stopped process.
class RunTerminalWithoutShell : public RunTerminal {
 protected:
  RunTerminalWithoutShell() : RunTerminal({"nbdstream", "--sink", "fifo:output", "--run", asks}) {}
};

TEST_F(RunTerminalWithoutShell, ControlZStopsNothing) {
  wait_for_command();
  type(control_z);
  type("yes\n");
  EXPECT_EQ(content("answer"), "yes\n");
}

}  // namespace
}  // namespace nbdstream::test

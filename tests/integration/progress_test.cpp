// SPDX-License-Identifier: BSD-3-Clause
//
// --progress: on a terminal, as a person sees it, and in lines for people and for programs.
#include "support/integration_test.hpp"

#include <algorithm>
#include <sstream>

namespace nbdstream::test {
namespace {

/// Writes half of 16 MiB, and the rest once there is a file `seen`.
const std::string half_and_half =
    "import os, signal, time\n"
    "signal.signal(signal.SIGINT, signal.SIG_DFL)\n"
    "for i in range(8): h.pwrite(bytes([i + 1]) * 2**20, i * 2**20)\n"
    "while not os.path.exists('seen'): time.sleep(0.01)\n"
    "for i in range(8, 16): h.pwrite(bytes([i + 1]) * 2**20, i * 2**20)\n"
    "h.shutdown()\n";

class progress : public integration_test {
 protected:
  progress() { write_file(path("client.sh"), client_command(half_and_half)); }

  const arguments half_then_seen_{"--sink", "null", "--size", "16M", "--run", "exec sh client.sh"};
};

class progress_on_a_terminal : public progress {
 protected:
  /// nbdstream on a terminal; once that shows `pattern`, `keys` are typed, and the client goes on.
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

  /// The screen at the end has only whole lines of the log, and the cursor is where a prompt goes.
  static void expect_only_the_log(const std::string& screen) {
    EXPECT_TRUE(mentions(screen, "\ncursor in column 0\n"));
    EXPECT_TRUE(screen.starts_with("nbdstream: ")) << screen;
    EXPECT_EQ(screen.find("streaming"), screen.npos) << screen;
    EXPECT_EQ(screen.find(" left"), screen.npos) << screen;
  }
};

TEST_F(progress_on_a_terminal, is_one_line_that_goes_in_the_end) {
  const auto ended = on_terminal(80, "streaming 50 %, 8.0 MiB of 16.0 MiB, .*/s", {});
  EXPECT_TRUE(ended_with(0, ended));
  expect_only_the_log(ended.out);
  EXPECT_TRUE(mentions(ended.out, "committed, 16777216 bytes"));
}

TEST_F(progress_on_a_terminal, is_not_wrapped_at_40_columns) {
  const auto ended = on_terminal(40, "streaming 50 %, 8.0 MiB", {});
  EXPECT_TRUE(ended_with(0, ended));
  expect_only_the_log(ended.out);
}

TEST_F(progress_on_a_terminal, is_not_wrapped_at_12_columns) {
  EXPECT_TRUE(ended_with(0, on_terminal(12, "streaming", {})));
}

TEST_F(progress_on_a_terminal, lets_the_lines_of_the_log_pass_above_it) {
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

TEST_F(progress_on_a_terminal, goes_where_a_signal_ends_it) {
  const auto ended = on_terminal(80, "streaming 50 %", {}, "\x03");
  EXPECT_TRUE(ended_with(128 + SIGINT, ended));
  expect_only_the_log(ended.out);
}

TEST_F(progress_on_a_terminal, has_a_line_for_each_export) {
  write_file(path("two.toml"),
             "[[export]]\nname = \"one\"\n[export.sink]\nmodule = \"null\"\n"
             "[[export]]\nname = \"other\"\n[export.sink]\nmodule = \"null\"\n");
  const auto ended = show(80, "one:   waiting for a client\nother: waiting for a client", "\x03",
                          {"--config", "two.toml", "-U", "sock"});
  EXPECT_TRUE(ended_with(128 + SIGINT, ended));
  expect_only_the_log(ended.out);
  EXPECT_EQ(ended.out.find("waiting"), std::string::npos) << ended.out;
}

TEST_F(progress_on_a_terminal, is_coloured) {
  EXPECT_TRUE(ended_with(0, on_terminal(80, "streaming 50 %", {})));
  EXPECT_TRUE(mentions(written(), "\x1b[32mstreaming\x1b[0m"));
}

TEST_F(progress_on_a_terminal, has_no_colour_with_no_color) {
  EXPECT_TRUE(ended_with(0, on_terminal(80, "streaming 50 %", {}, "", {"NO_COLOR=1"})));
  EXPECT_TRUE(mentions(written(), "\x1b[K"));
  EXPECT_EQ(written().find("\x1b[3"), std::string::npos);
}

/// As in the shell of an editor: only whole lines, now and then.
TEST_F(progress_on_a_terminal, is_not_drawn_on_a_dumb_one) {
  write_file(path("seen"), "");
  EXPECT_TRUE(ended_with(0, on_terminal(80, "committed", {}, "", {"TERM=dumb"})));
  EXPECT_EQ(written().find('\x1b'), std::string::npos) << written();
}

TEST_F(progress, is_a_line_every_10_seconds_without_a_terminal) {
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

TEST_F(progress, is_no_line_for_a_stream_that_is_shorter_than_that) {
  write_file(path("seen"), "");
  arguments options = half_then_seen_;
  options.insert(options.begin(), "--progress");
  const auto ended = nbdstream(options);
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_FALSE(mentions(ended.err, "streaming")) << ended.err;
  EXPECT_FALSE(mentions(ended.err, "waiting")) << ended.err;
}

class progress_for_programs : public progress {
 protected:
  /// What stands on the descriptor of --progress=FD in the end.
  std::string lines_of(const std::string& options, int status = 0) {
    write_file(path("seen"), "");
    EXPECT_TRUE(ended_with(
        status,
        start_shell("exec nbdstream --progress=7 --sink null " + options + " 7> lines").wait()));
    return read_file(path("lines"));
  }
};

TEST_F(progress_for_programs, is_what_nbdcopy_writes) {
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

TEST_F(progress_for_programs, is_100_at_the_end_where_no_size_is_known) {
  EXPECT_EQ(lines_of("--run 'exec sh client.sh'"), "100/100\n");
}

TEST_F(progress_for_programs, is_never_100_where_the_stream_was_aborted) {
  const auto lines = lines_of("--size 16M --run 'sh client.sh; exit 3'", 3);
  EXPECT_TRUE(mentions(lines, "/100\n"));
  EXPECT_EQ(lines.find("100/100"), lines.npos) << lines;
}

class state_on_sigusr1 : public integration_test {};

TEST_F(state_on_sigusr1, is_a_line_of_the_log_for_each_export) {
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

TEST_F(state_on_sigusr1, is_not_said_where_the_parent_ignores_it) {
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

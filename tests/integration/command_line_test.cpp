// SPDX-License-Identifier: BSD-3-Clause
//
// What the program prints about itself, the wrong arguments that it refuses, and its JSON log.
#include "support/integration_test.hpp"

#include <sys/stat.h>

#include <algorithm>

namespace nbdstream::test {
namespace {

class Program : public integration_test {
 protected:
  /// Runs nbdstream, expects exit status 0, and returns what it printed on stdout.
  std::string printed(const arguments& args) {
    const result ended = nbdstream(args);
    EXPECT_TRUE(ended_with(0, ended));
    return ended.out;
  }

  /// Runs nbdstream, expects that it refuses `args` before it creates a file, and returns its
  /// one-line error.
  std::string refusal(const arguments& args) {
    const result ended = nbdstream(args);
    EXPECT_TRUE(ended_with(2, ended));
    EXPECT_EQ(std::count(ended.err.begin(), ended.err.end(), '\n'), 1) << ended.err;
    EXPECT_EQ(ended.out, "");
    EXPECT_FALSE(std::filesystem::exists(path("output")));
    EXPECT_FALSE(std::filesystem::exists(path("sock")));
    return ended.err;
  }
};

TEST_F(Program, PrintsHelpOnStdout) {
  const std::string help = printed({"--help"});
  for (const char* option : {"--sink", "--size", "--gaps", "--run", "--streams", "--dump-config"})
    EXPECT_TRUE(mentions(help, option));
  EXPECT_EQ(printed({"-h"}), help);
}

TEST_F(Program, PrintsItsVersionOnStdout) {
  const std::string version = printed({"--version"});
  EXPECT_EQ(version.rfind("nbdstream ", 0), 0U) << version;
  EXPECT_EQ(printed({"-V"}), version);
}

TEST_F(Program, ListSinksNamesTheInstalledSinks) {
  const std::string sinks = printed({"--list-sinks"});
  for (const char* sink : {"exec", "fifo", "file", "null", "socket", "stdout"})
    EXPECT_TRUE(mentions(sinks, sink));
}

TEST_F(Program, DumpSinkShowsTheSettingsOfASink) {
  const std::string sink = printed({"--dump-sink", "fifo"});
  EXPECT_TRUE(mentions(sink, "path"));
  EXPECT_TRUE(mentions(sink, "reader-timeout"));
}

TEST_F(Program, DumpSinkAcceptsThePathOfAModule) {
  EXPECT_TRUE(mentions(printed({"--dump-sink", test_modules + "/slow.so"}), "delay"));
}

TEST_F(Program, DumpConfigPrintsAConfigurationItCanRead) {
  const std::string dumped = printed({"--dump-config",
                                      "--sink",
                                      "fifo:out put",
                                      "-o",
                                      "reader-timeout=5s",
                                      "--size",
                                      "640k",
                                      "--gaps",
                                      "allow",
                                      "--no-pad",
                                      "-U",
                                      "sock",
                                      "-e",
                                      "disk \"one\"",
                                      "--streams",
                                      "3",
                                      "--settle",
                                      "250ms",
                                      "--data-path",
                                      "copy"});
  write_file(path("dumped.toml"), dumped);
  EXPECT_EQ(printed({"--dump-config", "--config", "dumped.toml"}), dumped);
  for (const char* part : {"640", "out put", "reader-timeout", "allow", "copy", "250ms"})
    EXPECT_TRUE(mentions(dumped, part));
}

TEST_F(Program, RefusesAnUnknownOptionAndSuggestsTheNearest) {
  EXPECT_TRUE(mentions(refusal({"--sink", "fifo:output", "--sise", "1M"}), "--size"));
}

TEST_F(Program, RefusesAnUnknownSinkSettingAndSuggestsTheNearest) {
  const std::string said =
      refusal({"--sink", "fifo:output", "-U", "sock", "-o", "reader-timeut=1"});
  EXPECT_TRUE(mentions(said, "reader-timeut"));
  EXPECT_TRUE(mentions(said, "\"reader-timeout\""));
}

TEST_F(Program, RefusesAnUnknownSinkAndSuggestsTheNearest) {
  EXPECT_TRUE(mentions(refusal({"--sink", "fido:output", "-U", "sock"}), "fifo"));
}

TEST_F(Program, ReportsFileAndLineOfABadValue) {
  write_file(path("bad.toml"),
             "[[export]]\n[export.sink]\npath = \"output\"\n"
             "reader-timeout = \"soon\"\n");
  const std::string said = refusal({"--config", "bad.toml", "-U", "sock"});
  EXPECT_TRUE(mentions(said, "bad.toml:4:"));
  EXPECT_TRUE(mentions(said, "soon"));
}

TEST_F(Program, RefusesAMissingConfigurationFile) {
  EXPECT_TRUE(mentions(refusal({"--config", "missing.toml"}), "missing.toml"));
}

TEST_F(Program, RefusesATcpPortInUseAndNamesIt) {
  const listener taken = listener::tcp();
  const std::string port = std::to_string(taken.port());
  EXPECT_TRUE(mentions(refusal({"--sink", "fifo:output", "--size", "1M", "-p", port}), port));
}

TEST_F(Program, LogFormatJsonWritesAnErrorAsJson) {
  const result ended =
      nbdstream({"--sink", "fifo:output", "--run", "true", "--log-format", "json"});
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_EQ(ended.err.rfind("{\"", 0), 0U) << ended.err;
  EXPECT_TRUE(mentions(ended.err, "\"level\":\"error\""));
}

TEST_F(Program, JsonLogHasTheFiguresOfEachStream) {
  process reader = start_reader();
  const result ended = nbdstream(
      running(client_command("h.pwrite(b'x' * 65536, 0)\nh.zero(4096, 65536)\nh.shutdown()"),
              {"--log-format", "json", "-e", "vm1", "--size", "1M", "--gaps", "allow"}));
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_TRUE(ended_with(0, reader.wait()));
  write_file(path("log"), ended.err);
  EXPECT_TRUE(ended_with(0, start({"/usr/bin/python3", "-c", R"(
import json
lines = [json.loads(line) for line in open('log')]
end, = [line for line in lines if 'outcome' in line]
assert end['message'].startswith('export "vm1": stream 1: committed, 1048576 bytes, '), end
expected = {'export': 'vm1', 'stream': 1, 'outcome': 'committed', 'sent_bytes': 1048576,
            'payload_bytes': 65536, 'zero_bytes': 1048576 - 65536, 'held_spill_peak_bytes': 0}
assert expected.items() <= end.items(), end
assert end['seconds'] > 0 and end['average_bytes_per_second'] > 0, end
)"})
                                .wait()));
}

/// The name of the sink's file is not UTF-8, and --progress writes to the descriptor of the log.
TEST_F(Program, JsonLogStaysValidWithANonUtf8NameAndProgress) {
  const std::string odd = client_command(
      "h.pwrite(b'hello', 0)\nwhile not file('log').count(b'/100'): pass\nh.shutdown()");
  write_file(path("client.sh"), odd);
  const result ended = start_shell(
                           "nbdstream --sink 'file:'$(printf 'out\\377.raw') --progress=2 --size 1M"
                           " --log-format json --run 'sh client.sh' 2> log")
                           .wait();
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_TRUE(ended_with(0, start({"/usr/bin/python3", "-c", R"(
import json
lines = [json.loads(line) for line in open('log', encoding='utf-8', errors='strict')]
assert any(line['message'] == '0/100' for line in lines), lines
assert any('bytes' in line['message'] for line in lines), lines
assert all(line.keys() >= {'time', 'level', 'message'} for line in lines), lines
)"})
                                .wait()));
}

class Pidfile : public Program {};

TEST_F(Pidfile, HoldsTheProcessIdAndIsRemovedAtTheEnd) {
  process server = start_listening({"--sink", "fifo:output", "-f"});
  EXPECT_EQ(read_file(path("pid")), std::to_string(server.pid()) + "\n");
  server.signal(SIGTERM);
  EXPECT_TRUE(ended_with(128 + SIGTERM, server.wait()));
  EXPECT_FALSE(std::filesystem::exists(path("pid")));
}

TEST_F(Pidfile, ReplacesThePidfileOfAKilledServer) {
  write_file(path("pid"), "123456789\n");
  process server = start_nbdstream({"--sink", "fifo:output", "-U", "sock", "-P", "pid"});
  EXPECT_TRUE(
      eventually([&] { return read_file(path("pid")) == std::to_string(server.pid()) + "\n"; }));
  server.signal(SIGTERM);
  EXPECT_TRUE(ended_with(128 + SIGTERM, server.wait()));
}

TEST_F(Pidfile, IsNotRemovedByAnotherServer) {
  process first = start_listening({"--sink", "fifo:output"});
  process second = start_nbdstream({"--sink", "fifo:other", "-U", "more", "-P", "pid"});
  const auto theirs = std::to_string(second.pid()) + "\n";
  EXPECT_TRUE(eventually([&] { return read_file(path("pid")) == theirs; }));
  first.signal(SIGTERM);
  EXPECT_TRUE(ended_with(128 + SIGTERM, first.wait()));
  EXPECT_EQ(read_file(path("pid")), theirs);
  second.signal(SIGTERM);
  EXPECT_TRUE(ended_with(128 + SIGTERM, second.wait()));
}

TEST_F(Pidfile, RefusesAPathThatIsNoRegularFile) {
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
  write_file(path("file"), "precious");
  std::filesystem::create_symlink("file", path("link"));
  std::filesystem::create_symlink("nothing", path("dangling"));
  std::filesystem::create_directory(path("directory"));
  for (const std::string name : {"/dev/null", "fifo", "link", "dangling", "directory"}) {
    EXPECT_TRUE(mentions(refusal({"--sink", "fifo:output", "-U", "sock", "-P", name}),
                         "--pidfile " + name + ": exists and is not a regular file"));
  }
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/null"));
  EXPECT_TRUE(std::filesystem::is_fifo(path("fifo")));
  EXPECT_TRUE(std::filesystem::is_symlink(path("link")));
  EXPECT_EQ(read_file(path("file")), "precious");
  EXPECT_FALSE(std::filesystem::exists(path("nothing")));
}

TEST_F(Pidfile, RefusesAMissingDirectory) {
  EXPECT_TRUE(mentions(refusal({"--sink", "fifo:output", "-U", "sock", "-P", "missing/pid"}),
                       "--pidfile missing/pid: No such file or directory"));
}

}  // namespace
}  // namespace nbdstream::test

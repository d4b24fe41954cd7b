// SPDX-License-Identifier: BSD-3-Clause
//
// nbdstream --check-sink: sinks that pass, modules that do not load, and its command line.
#include "support/check_sink_test.hpp"

namespace nbdstream::test {
namespace {

/// A server that reads each connection to its end. It writes its port to the file `ready`.
const char* const reading_sockets = R"(
import os, socket, sys, threading
def read(connection):
    try:
        while connection.recv(65536):
            pass
    except OSError:
        pass
    connection.close()
if sys.argv[1] == 'tcp':
    server = socket.create_server(('127.0.0.1', 0))
else:
    server = socket.socket(socket.AF_UNIX)
    server.bind('sock')
    server.listen()
with open('started', 'w') as file:
    file.write(str(server.getsockname()[1]))
os.rename('started', 'ready')
while True:
    threading.Thread(target=read, args=server.accept()[:1], daemon=True).start()
)";

/// A sink to check. `name` also tells which reader the sink needs.
struct candidate {
  std::string name;
  std::string sink;
  arguments settings{};

  friend std::ostream& operator<<(std::ostream& out, const candidate& c) { return out << c.name; }
};

class SoundSink : public CheckSink, public ::testing::WithParamInterface<candidate> {
 protected:
  /// Starts a reader of all streams of the sink.
  process start_reader_of(const std::string& kind) {
    if (kind == "fifo") {
      return start_shell(
          "until [ -p output ]; do sleep 0.01; done; while :; do cat output > /dev/null; done");
    }
    process reader = start({"/usr/bin/python3", "-c", reading_sockets, kind});
    wait_for("ready");
    return reader;
  }
};

TEST_P(SoundSink, PassesEveryCheck) {
  auto sink = GetParam().sink;
  const auto kind = GetParam().name;
  std::vector<process> readers;
  if (kind == "fifo" || kind == "tcp" || kind == "unix") readers.push_back(start_reader_of(kind));
  if (kind == "tcp") sink += read_file(path("ready"));
  const result r = checked(sink, GetParam().settings);
  EXPECT_TRUE(ended_with(0, r));
  EXPECT_EQ(failures(r), 0) << r.out;
  EXPECT_TRUE(mentions(r.out, "nothing is wrong")) << r.err;
}

INSTANTIATE_TEST_SUITE_P(
    Each, SoundSink,
    ::testing::Values(candidate{"fifo", "fifo:output"}, candidate{"device", "fifo:/dev/null"},
                      candidate{"tcp", "socket:tcp://127.0.0.1:"}, candidate{"unix", "socket:sock"},
                      candidate{"stdout", "stdout"}, candidate{"null", "null"},
                      candidate{"digest", "null", {"-o", "digest=sha256"}},
                      candidate{"file", "file:out.raw", {"-o", "overwrite=true"}},
                      candidate{"exec", "exec:cat >out.raw"},
                      candidate{"template", module("template") + ":out.raw"},
                      candidate{"recorder",
                                module("recorder"),
                                {"-o", "again-every=3", "-o", "short-writes=true"}},
                      candidate{"slow", module("slow") + ":5ms"},
                      candidate{"FaultyModuleWithoutFault", module("faulty")},
                      candidate{"StdoutModuleWithoutFault", module("faulty_stdout")}),
    ::testing::PrintToStringParamName());

class UnloadableModule : public CheckSink, public ::testing::WithParamInterface<fault> {};

TEST_P(UnloadableModule, FailsOneCheckAndBailsOut) {
  const result r = checked(module(GetParam().name));
  EXPECT_TRUE(ended_with(1, r));
  EXPECT_TRUE(mentions(about("has a table", r), GetParam().said));
  EXPECT_EQ(failures(r), 1) << r.out;
  EXPECT_TRUE(mentions(r.out, "Bail out!"));
}

INSTANTIATE_TEST_SUITE_P(Each, UnloadableModule,
                         ::testing::Values(fault{"wrong_major", "", "ABI 2"},
                                           fault{"missing_callback", "", "lacks open"},
                                           fault{"short_table", "", "bytes"},
                                           fault{"no_entry", "", "nbdstream_sink_v1"},
                                           fault{"null_table", "", "table"}),
                         name_of);

TEST_F(CheckSink, AcceptsAModuleWithoutZeroAndOneThatLendsAFile) {
  for (const char* way : {"zero-is-not-there", "lends-a-file"}) {
    process::options how;
    how.environment = {std::string("FAULT=") + way};
    const result r = checked(module("faulty"), {}, how);
    EXPECT_TRUE(ended_with(0, r));
    EXPECT_EQ(failures(r), 0) << way << ": " << r.out;
  }
}

TEST_F(CheckSink, RepeatsACallOnceTheModuleWakesTheHost) {
  process::options how;
  how.environment = {"FAULT=waits-to-be-woken"};
  const result r = checked(module("faulty"), {}, how);
  EXPECT_TRUE(ended_with(0, r));
  EXPECT_EQ(failures(r), 0) << r.out;
}

TEST_F(CheckSink, ToleratesOneSlowCall) {
  process::options how;
  how.environment = {"FAULT=write-blocks-once"};
  const result r = checked(module("faulty"), {}, how);
  EXPECT_TRUE(std::filesystem::exists(path("slept")));
  EXPECT_TRUE(ended_with(0, r));
  EXPECT_EQ(failures(r), 0) << r.out;
}

TEST_F(CheckSink, ReportsSymbolsExportedBesideTheEntryPoint) {
  const result r = checked(module("two_symbols"));
  EXPECT_TRUE(ended_with(1, r));
  EXPECT_TRUE(mentions(about("exports its entry point", r), "left_open_to_others"));
  EXPECT_EQ(failures(r), 1) << r.out;
}

TEST_F(CheckSink, InterruptsACallThatBlocks) {
  const result r = checked(module("slow") + ":1h", soon);
  EXPECT_TRUE(ended_with(1, r));
  EXPECT_TRUE(mentions(about(any_sizes, r), "write had not returned after 250ms"));
  EXPECT_TRUE(about("is interrupted in a write", r).starts_with("not ok ")) << r.out;
}

TEST_F(CheckSink, BailsOutIfACallIgnoresItsInterrupt) {
  const result r = checked(module("stubborn"), soon);
  EXPECT_TRUE(ended_with(1, r));
  EXPECT_TRUE(mentions(about(any_sizes, r), "write has not returned within 250ms after it was"));
  EXPECT_TRUE(mentions(r.out, "Bail out!"));
}

TEST_F(CheckSink, SkipsChecksThatNeedASecondStreamIfItIsRefused) {
  const result r = checked("file:out.raw");
  EXPECT_TRUE(ended_with(0, r));
  EXPECT_EQ(failures(r), 0) << r.out;
  const auto said = about(any_sizes, r);
  EXPECT_TRUE(mentions(said, "# SKIP another stream is refused (create said -EEXIST"));
  EXPECT_TRUE(mentions(said, "overwrite=true"));
  EXPECT_TRUE(mentions(r.out, " checks were left out"));
}

TEST_F(CheckSink, FailsAndKeepsAnExistingOutputFile) {
  write_file(path("out.raw"), "precious");
  const result r = checked("file:out.raw");
  EXPECT_TRUE(ended_with(1, r));
  EXPECT_TRUE(mentions(r.out, "not ok 3"));
  EXPECT_EQ(read_file(path("out.raw")), "precious");
}

TEST_F(CheckSink, LeavesNoPartialFileOfTheTemplateSink) {
  EXPECT_TRUE(ended_with(0, checked(module("template") + ":out.raw")));
  EXPECT_FALSE(std::filesystem::exists(path("out.raw.part")));
}

TEST_F(CheckSink, RefusesWrongArgumentsInOneLine) {
  for (const arguments& args :
       {arguments{"--check-sink", "fifi:output"}, arguments{"--check-sink", "./missing.so"},
        arguments{"--check-sink", "fifo"}, arguments{"--check-sink", "fifo:x", "-o", "colour=red"},
        arguments{"--check-sink", "fifo:x", "--sink", "fifo:y"},
        arguments{"--check-sink", "fifo:x", "--list-sinks"},
        arguments{"--check-sink", "fifo:x", "--grace", "0"}}) {
    const result r = nbdstream(args);
    EXPECT_TRUE(ended_with(2, r));
    EXPECT_EQ(std::count(r.err.begin(), r.err.end(), '\n'), 1) << r.err;
    EXPECT_EQ(r.out, "");
    EXPECT_FALSE(std::filesystem::exists(path("x")));
  }
}

}  // namespace
}  // namespace nbdstream::test

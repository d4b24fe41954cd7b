// SPDX-License-Identifier: BSD-3-Clause
//
// The sink `exec` writes the stream to the standard input of a command.
#include "support/integration_test.hpp"

#include <cstdlib>
#include <string>

namespace nbdstream::test {
namespace {

class ExecSink : public integration_test {
 protected:
  /// Sends a stream of 8 MiB to `command`.
  result stream_into(const std::string& command, const arguments& more = {}) {
    make_disk();
    arguments args{"--sink", "exec:" + command, "--run", convert};
    args.insert(args.end(), more.begin(), more.end());
    return nbdstream(args);
  }

  /// Sends a stream to `command` that breaks off in its middle.
  result break_off_into(const std::string& command, const arguments& more = {}) {
    arguments args{"--sink", "exec:" + command, "--run", convert_broken_source("\"$uri\"")};
    args.insert(args.end(), more.begin(), more.end());
    return nbdstream(args);
  }

  [[nodiscard]] bool exists(const std::string& name) const {
    return std::filesystem::exists(path(name));
  }
  result shell(const std::string& script) { return start_shell(script).wait(); }
};

/// A recipe of the documentation.
const std::string zstd = "zstd -q -T0 -f -o part && sync part && mv part out.zst";
/// Like most commands, this one takes EOF for success. Only a signal can keep it from `complete`.
const std::string trusting = "cat > out.raw; touch complete";

TEST_F(ExecSink, CompressesTheStreamWithZstd) {
  EXPECT_TRUE(ended_with(0, stream_into("zstd -q -T0 -o out.zst")));
  EXPECT_TRUE(ended_with(0, shell("zstd -qdc out.zst | cmp - in.raw")));
}

TEST_F(ExecSink, ZstdCommandReplacesThePartOfAnAbortedStream) {
  EXPECT_TRUE(ended_with(1, break_off_into(zstd)));
  EXPECT_FALSE(exists("out.zst"));
  ASSERT_TRUE(exists("part"));
  EXPECT_NE(shell("zstd -qt part").status, 0) << "it does not pass for complete";
  EXPECT_TRUE(ended_with(0, stream_into(zstd)));
  EXPECT_TRUE(ended_with(0, shell("zstd -qdc out.zst | cmp - in.raw")));
}

TEST_F(ExecSink, SplicesThePayload) {
  make_raw(path("in.raw"), 8 * MiB);
  const result ended = nbdstream(
      {"-v", "--sink", "exec:cat > out.raw", "--run", R"(nbdcopy --synchronous in.raw "$uri")"});
  EXPECT_TRUE(ended_with(0, ended));
  const std::string before = "of its payload ";
  ASSERT_TRUE(mentions(ended.err, before));
  const auto spliced = std::atoll(ended.err.c_str() + ended.err.find(before) + before.size());
  EXPECT_GT(spliced, 6 * MiB) << ended.err;
}

class ResticBackup : public ExecSink {
 protected:
  ResticBackup() {
    ::setenv("RESTIC_REPOSITORY", "repository", 1);
    ::setenv("RESTIC_PASSWORD", "secret", 1);
    EXPECT_TRUE(ended_with(0, shell("restic --no-cache init")));
  }
  const std::string backup = "restic --no-cache backup --stdin --stdin-filename disk.raw";
};

TEST_F(ResticBackup, StoresASnapshotOfTheDisk) {
  EXPECT_TRUE(ended_with(0, stream_into(backup)));
  EXPECT_TRUE(ended_with(0, shell("restic --no-cache dump latest disk.raw > out.raw")));
  EXPECT_TRUE(same_content(path("out.raw"), path("in.raw")));
}

TEST_F(ResticBackup, StoresNoSnapshotIfTheClientIsKilled) {
  make_raw(path("in.raw"), 16 * MiB);
  process server = start_listening({"--sink", "exec:" + backup});
  process client = start_client("send(file('in.raw')); touch('all'); stay()");
  wait_for("all");
  client.signal(SIGKILL);
  EXPECT_TRUE(ended_with(1, server.wait()));
  const result snapshots = shell("restic --no-cache snapshots --json");
  EXPECT_TRUE(ended_with(0, snapshots));
  EXPECT_EQ(snapshots.out.find("disk.raw"), std::string::npos) << snapshots.out;
}

TEST_F(ExecSink, FailsWritesWithEioAfterTheCommandExits) {
  process server = start_listening({"--sink", "exec:exit 3"});
  const std::string script = R"(
def endlessly():
    for i in range(1 << 30):
        h.pwrite(b'x', i)
fails_with(errno.EIO, endlessly)
)";
  EXPECT_TRUE(ended_with(0, client(script)));
  EXPECT_TRUE(ended_with(1, server.wait()));
}

TEST_F(ExecSink, EndsTheCommandBeforeItSeesEofOfAnAbortedStream) {
  EXPECT_TRUE(ended_with(1, break_off_into(trusting)));
  EXPECT_FALSE(exists("complete"));
  EXPECT_LT(std::filesystem::file_size(path("out.raw")), 8 * MiB);
}

/// The command ignores SIGTERM, and the grace of the sink is one hour. The grace of the server ends
/// it.
TEST_F(ExecSink, KillsTheCommandAfterTheGraceOfTheServer) {
  EXPECT_TRUE(ended_with(
      1, break_off_into("trap '' TERM; " + trusting, {"-o", "grace=1h", "--grace", "100ms"})));
  EXPECT_FALSE(exists("complete"));
}

TEST_F(ExecSink, EndsEveryProcessOfAPipeline) {
  EXPECT_TRUE(ended_with(1, break_off_into("cat | cat | (" + trusting + ")")));
  EXPECT_FALSE(exists("complete"));
}

/// The first signal lets the commit finish, as with a FIFO whose reader is slow. The second does
/// not.
TEST_F(ExecSink, SecondSignalEndsACommandThatHangsAfterEof) {
  process server = start_listening({"--sink", "exec:cat > out.raw; touch read; sleep 1000"});
  EXPECT_TRUE(ended_with(0, client("h.pwrite(b'hello', 0); h.shutdown()")));
  wait_for("read");
  server.signal(SIGTERM);
  EXPECT_TRUE(eventually([&] {
    return start({"nbdinfo", "--size", unix_uri}).wait().status != 0;
  }));
  EXPECT_TRUE(server.running());
  server.signal(SIGTERM);
  EXPECT_TRUE(ended_with(128 + SIGTERM, server.wait()));
}

TEST_F(ExecSink, EndsTheCommandWhenSigtermEndsTheServer) {
  process server = start_listening({"--sink", "exec:" + trusting});
  process writer = start_client("write_and_stay(b'hello')");
  EXPECT_TRUE(eventually([&] { return read_file(path("out.raw")) == "hello"; }));
  server.signal(SIGTERM);
  EXPECT_TRUE(ended_with(128 + SIGTERM, server.wait()));
  EXPECT_FALSE(exists("complete"));
}

TEST_F(ExecSink, EndsTheCommandWhenTheServerIsKilled) {
  process server = start_listening({"--sink", "exec:" + trusting});
  process writer = start_client("write_and_stay(b'hello')");
  EXPECT_TRUE(eventually([&] { return read_file(path("out.raw")) == "hello"; }));
  server.signal(SIGKILL);
  EXPECT_TRUE(ended_with(128 + SIGKILL, server.wait()));
  EXPECT_EQ(end_leftovers(), std::vector<std::string>());
  EXPECT_FALSE(exists("complete"));
}

TEST_F(ExecSink, RunsOneCommandForEachStream) {
  process server = start_listening({"--streams", "3", "--size", "5", "-e", "vm1", "--sink",
                                    "exec:cat > out.$NBDSTREAM_EXPORT.$NBDSTREAM_STREAM; "
                                    "echo $NBDSTREAM_SIZE >> sizes"});
  for (const char* text : {"first", "secon", "third"})
    EXPECT_TRUE(ended_with(0, client("h.pwrite(b'" + std::string(text) + "', 0); h.shutdown()")));
  EXPECT_TRUE(ended_with(0, server.wait()));
  EXPECT_TRUE(holds(path("out.vm1.1"), "first"));
  EXPECT_TRUE(holds(path("out.vm1.2"), "secon"));
  EXPECT_TRUE(holds(path("out.vm1.3"), "third"));
  EXPECT_TRUE(holds(path("sizes"), "5\n5\n5\n"));
}

/// Standard output may have another use: with --single the client reads its replies there.
TEST_F(ExecSink, SendsOutputOfTheCommandToStandardError) {
  const result ended = stream_into("echo to stdout; echo to stderr >&2; cat > out.raw");
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_EQ(ended.out, "");
  EXPECT_TRUE(mentions(ended.err, "to stdout\nto stderr\n"));
}

TEST_F(ExecSink, RefusesAMissingCommand) {
  const result ended = nbdstream({"--sink", "exec", "-U", "sock"});
  EXPECT_TRUE(ended_with(2, ended));
  EXPECT_TRUE(mentions(ended.err, "--sink exec:COMMAND"));
}

}  // namespace
}  // namespace nbdstream::test

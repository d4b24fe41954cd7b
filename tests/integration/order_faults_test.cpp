// SPDX-License-Identifier: BSD-3-Clause
//
// Failures while out-of-order data is held: of the spill file, the client, its source or the sink.
// Each failure ends the stream with exactly one abort.
#include "support/order_test.hpp"

#include <ostream>

namespace nbdstream::test {
namespace {

const std::string one_abort = "create\nopen 1\nabort\ndestroy\n";

class ReorderFault : public order_test {
 protected:
  /// The arguments for a stream into the recorder, whose journal is `log`.
  [[nodiscard]] static arguments recorded(const arguments& more) {
    arguments args{"--sink", test_modules + "/recorder.so:out.raw", "-o", "log=log"};
    args.insert(args.end(), more.begin(), more.end());
    return args;
  }

  /// Starts nbdstream in a shell and waits until it is ready. `before` precedes its name.
  [[nodiscard]] process start_by_shell(const std::string& before, const std::string& args) const {
    process server = start_shell(before + " nbdstream -U sock -P pid --sink " + test_modules +
                                 "/recorder.so:out.raw -o log=log " + args);
    wait_for("pid");
    return server;
  }

  /// Expects that the stream of this server has failed, and that the log contains `reason`.
  void expect_one_abort(process& server, const std::string& reason) const {
    const result ended = server.wait();
    EXPECT_TRUE(ended_with(1, ended));
    EXPECT_TRUE(mentions(ended.err, reason));
    EXPECT_TRUE(holds(path("log"), one_abort));
  }
};

/// Writes 64 KiB at a time ahead of the stream until a write fails, which must be with ENOSPC.
const std::string until_there_is_no_space = R"(
failed = 0
for at in range(1 << 20, 32 << 20, 65536):
    try:
        h.pwrite(b'x' * 65536, at)
    except nbd.Error as e:
        failed = e.errnum
        break
assert failed == errno.ENOSPC, failed
fails_with(errno.EIO, h.pwrite, b'y' * 4096, 0)
h.shutdown()
)";

const std::string tiny_window = "--order spill --window 1M --size 64M ";

TEST_F(ReorderFault, SpillLimitGivesEnospcAndOneAbort) {
  process server = start_listening(
      recorded({"--order", "spill", "--window", "1M", "--size", "64M", "--spill-limit", "2M"}));
  EXPECT_TRUE(ended_with(0, client(until_there_is_no_space)));
  expect_one_abort(server, "--spill-limit");
}

/// The limit of `ulimit -f` acts like a full disk, and needs no file system to be mounted.
TEST_F(ReorderFault, SpillFileThatCannotGrowGivesEnospcAndOneAbort) {
  process server =
      start_by_shell("trap '' XFSZ; ulimit -f 8192; exec", tiny_window);  // of 512 bytes
  EXPECT_TRUE(ended_with(0, client(until_there_is_no_space)));
  expect_one_abort(server, "spill");
}

TEST_F(ReorderFault, MissingSpillDirectoryIsRefusedBeforeAnythingIsCreated) {
  const result ended = nbdstream({"-U", "sock", "-P", "pid", "--order", "spill", "--sink",
                                  "fifo:output", "--spill-directory", "missing"});
  EXPECT_TRUE(ended_with(2, ended));
  EXPECT_TRUE(one_line_has(ended.err, {"--spill-directory", "missing"}));
  for (const auto* const name : {"sock", "pid", "output"})
    EXPECT_FALSE(std::filesystem::exists(path(name))) << name;
}

TEST_F(ReorderFault, RemovedSpillDirectoryCausesOneAbort) {
  std::filesystem::create_directory(path("spill"));
  process server = start_by_shell("exec", tiny_window + "--spill-directory spill");
  std::filesystem::remove(path("spill"));
  EXPECT_NE(client("send(b'x' * (4 << 20), 1 << 20)").status, 0);
  expect_one_abort(server, "spill");
}

/// A mode of --order and its arguments.
struct mode {
  std::string name;
  arguments args;

  friend std::ostream& operator<<(std::ostream& out, const mode& m) { return out << m.name; }
};

class ReorderFaultInMode : public ReorderFault, public ::testing::WithParamInterface<mode> {
 protected:
  [[nodiscard]] static arguments in_mode(const arguments& more) {
    arguments args = GetParam().args;
    args.insert(args.end(), more.begin(), more.end());
    return recorded(args);
  }
};

INSTANTIATE_TEST_SUITE_P(Orders, ReorderFaultInMode,
                         ::testing::Values(mode{"window", {"--order", "window", "--window", "8M"}},
                                           mode{"spill", {"--order", "spill", "--window", "1M"}},
                                           mode{"spool", {"--order", "spool"}}),
                         [](const auto& each) { return each.param.name; });

TEST_P(ReorderFaultInMode, KilledClientWithHeldDataCausesOneAbort) {
  process server = start_listening(in_mode({"--size", "64M"}));
  process writer = start_client("send(b'x' * (2 << 20), 1 << 20)\ntouch('held')\nstay()");
  wait_for("held");
  writer.signal(SIGKILL);
  expect_one_abort(server, "NBD_CMD_DISC");
}

const std::string written_backwards = R"(
piece = b'x' * 65536
try:
    for at in reversed(range(0, 3 << 20, 65536)):
        h.pwrite(piece, at)
    h.flush()
except nbd.Error:
    pass  # the command succeeds whatever becomes of the stream
h.shutdown()
)";

TEST_P(ReorderFaultInMode, SinkFailureWithHeldDataCausesOneAbort) {
  const std::string command = client_command(written_backwards);
  EXPECT_TRUE(
      ended_with(1, nbdstream(in_mode({"-o", "fail-write-after=1234567", "--run", command}))));
  EXPECT_TRUE(holds(path("log"), one_abort));
}

}  // namespace
}  // namespace nbdstream::test

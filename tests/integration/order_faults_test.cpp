// SPDX-License-Identifier: BSD-3-Clause
//
// What goes wrong while data is held: the spill file, the client, its source, the sink. Whatever it
// is, the stream ends in exactly one abort.
#include "support/order_test.hpp"

#include <ostream>

namespace nbdstream::test {
namespace {

const std::string one_abort = "create\nopen 1\nabort\ndestroy\n";

class order_faults : public order_test {
 protected:
  /// The arguments for a stream into the recorder, whose journal is `log`.
  [[nodiscard]] static arguments recorded(const arguments& more) {
    arguments args{"--sink", test_modules + "/recorder.so:out.raw", "-o", "log=log"};
    args.insert(args.end(), more.begin(), more.end());
    return args;
  }

  /// The program by a shell, once it says that it is ready. `before` stands before its name.
  [[nodiscard]] process start_by_shell(const std::string& before, const std::string& args) const {
    process server = start_shell(before + " nbdstream -U sock -P pid --sink " + test_modules +
                                 "/recorder.so:out.raw -o log=log " + args);
    wait_for("pid");
    return server;
  }

  /// The stream of this server has failed, for a reason whose words these are.
  void expect_one_abort(process& server, const std::string& reason) const {
    const result ended = server.wait();
    EXPECT_TRUE(ended_with(1, ended));
    EXPECT_TRUE(mentions(ended.err, reason));
    EXPECT_TRUE(holds(path("log"), one_abort));
  }
};

/// Writes ahead of the stream, 64 KiB after 64 KiB, until that fails; it must fail with ENOSPC.
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

TEST_F(order_faults, spill_limit_that_is_reached_is_no_space_and_one_abort) {
  process server = start_listening(
      recorded({"--order", "spill", "--window", "1M", "--size", "64M", "--spill-limit", "2M"}));
  EXPECT_TRUE(ended_with(0, client(until_there_is_no_space)));
  expect_one_abort(server, "--spill-limit");
}

/// The system's own limit for files stands for a full disk: it needs no file system to be mounted.
TEST_F(order_faults, spill_file_that_cannot_grow_is_no_space_and_one_abort) {
  process server =
      start_by_shell("trap '' XFSZ; ulimit -f 8192; exec", tiny_window);  // of 512 bytes
  EXPECT_TRUE(ended_with(0, client(until_there_is_no_space)));
  expect_one_abort(server, "spill");
}

TEST_F(order_faults, spill_directory_that_is_missing_is_refused_before_anything_is_made) {
  const result ended = nbdstream({"-U", "sock", "-P", "pid", "--order", "spill", "--sink",
                                  "fifo:output", "--spill-directory", "missing"});
  EXPECT_TRUE(ended_with(2, ended));
  EXPECT_TRUE(one_line_has(ended.err, {"--spill-directory", "missing"}));
  for (const auto* const name : {"sock", "pid", "output"})
    EXPECT_FALSE(std::filesystem::exists(path(name))) << name;
}

TEST_F(order_faults, spill_directory_that_is_gone_when_it_is_needed_is_one_abort) {
  std::filesystem::create_directory(path("spill"));
  process server = start_by_shell("exec", tiny_window + "--spill-directory spill");
  std::filesystem::remove(path("spill"));
  EXPECT_NE(client("send(b'x' * (4 << 20), 1 << 20)").status, 0);
  expect_one_abort(server, "spill");
}

/// A mode of --order, with what fills it.
struct mode {
  std::string name;
  arguments args;

  friend std::ostream& operator<<(std::ostream& out, const mode& m) { return out << m.name; }
};

class order_faults_in : public order_faults, public ::testing::WithParamInterface<mode> {
 protected:
  [[nodiscard]] static arguments in_mode(const arguments& more) {
    arguments args = GetParam().args;
    args.insert(args.end(), more.begin(), more.end());
    return recorded(args);
  }
};

INSTANTIATE_TEST_SUITE_P(order, order_faults_in,
                         ::testing::Values(mode{"window", {"--order", "window", "--window", "8M"}},
                                           mode{"spill", {"--order", "spill", "--window", "1M"}},
                                           mode{"spool", {"--order", "spool"}}),
                         [](const auto& each) { return each.param.name; });

TEST_P(order_faults_in, killed_client_of_which_much_is_held_is_one_abort) {
  process server = start_listening(in_mode({"--size", "64M"}));
  process writer = start_client("send(b'x' * (2 << 20), 1 << 20)\ntouch('held')\nstay()");
  wait_for("held");
  writer.signal(SIGKILL);
  expect_one_abort(server, "NBD_CMD_DISC");
}

const std::string backwards = R"(
piece = b'x' * 65536
try:
    for at in reversed(range(0, 3 << 20, 65536)):
        h.pwrite(piece, at)
    h.flush()
except nbd.Error:
    pass  # the command succeeds whatever becomes of the stream
h.shutdown()
)";

TEST_P(order_faults_in, sink_that_fails_within_what_was_held_is_one_abort) {
  const std::string command = client_command(backwards);
  EXPECT_TRUE(
      ended_with(1, nbdstream(in_mode({"-o", "fail-write-after=1234567", "--run", command}))));
  EXPECT_TRUE(holds(path("log"), one_abort));
}

}  // namespace
}  // namespace nbdstream::test

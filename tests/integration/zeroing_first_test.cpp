// SPDX-License-Identifier: BSD-3-Clause
//
// Clients that zero the disk first, and write it then: that every byte was named proves nothing.
#include "support/integration_test.hpp"

namespace nbdstream::test {
namespace {

class ZeroingFirst : public integration_test {
 protected:
  /// nbdstream with these arguments, and a client that zeroes 4 MiB as `zeroing` says, writes the
  /// bytes from 2 to 3 MiB, and disconnects.
  result broken_off(const arguments& more, const std::string& zeroing) {
    arguments args{"--sink", "fifo:output", "--size", "4M"};
    args.insert(args.end(), more.begin(), more.end());
    process server = start_listening(args);
    process reader = start_reader();
    EXPECT_TRUE(ended_with(0, client(zeroing + "\nsend(b'x' * 1048576, 2 << 20)\nh.shutdown()")));
    result ended = server.wait();
    reader.wait();
    std::filesystem::remove(path("pid"));
    return ended;
  }

  /// The job of a mirror that QEMU gives up after a quarter.
  void expect_cancelled_mirror_aborts(const arguments& more) {
    make_raw(path("disk.raw"), 16 * MiB);
    arguments args{"--sink", "file:out.raw", "--size", "16M", "--gaps", "refuse"};
    args.insert(args.end(), more.begin(), more.end());
    process server = start_listening(args);
    EXPECT_TRUE(
        ended_with(0, start({"/usr/bin/python3", source_directory + "/tests/support/live_job.py",
                             "cancelled-mirror"})
                          .wait(std::chrono::milliseconds(90'000))));
    const result ended = server.wait();
    EXPECT_TRUE(ended_with(1, ended));
    EXPECT_TRUE(mentions(ended.err, "bytes that were named as zeroes were written again"));
    EXPECT_FALSE(std::filesystem::exists(path("out.raw")));
  }
};

TEST_F(ZeroingFirst, PartOfTheDataIsAbortedAndTheLogSaysWhatHelps) {
  for (const std::string order : {"auto", "window", "spill", "spool"}) {
    const result ended = broken_off({"--order", order, "--gaps", "refuse"}, "h.zero(4 << 20, 0)");
    EXPECT_TRUE(ended_with(1, ended)) << order;
    EXPECT_TRUE(mentions(ended.err, "first at 2097152")) << order;
    EXPECT_TRUE(mentions(ended.err, "--run")) << order;
    EXPECT_TRUE(mentions(ended.err, "--gaps allow")) << order;
  }
}

/// As a mirror that is cancelled at its beginning.
TEST_F(ZeroingFirst, DataOfTheFirstMibAloneAreAborted) {
  process server = start_listening({"--sink", "file:out.raw", "--size", "4M"});
  EXPECT_TRUE(ended_with(0, client("h.zero(4 << 20, 0)\nsend(b'x' * 65536)\nh.shutdown()")));
  const result ended = server.wait();
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "first at 0"));
}

TEST_F(ZeroingFirst, TrimmingFirstLeavesWhatIsMissingMissing) {
  for (const std::string order : {"auto", "spool"}) {
    const result ended = broken_off({"--order", order, "--gaps", "refuse"}, "h.trim(4 << 20, 0)");
    EXPECT_TRUE(ended_with(1, ended)) << order;
    EXPECT_TRUE(mentions(ended.err, "never named by any request")) << order;
  }
}

TEST_F(ZeroingFirst, CommitsWhereGapsAreAllowed) {
  EXPECT_TRUE(
      ended_with(0, broken_off({"--order", "spool", "--gaps", "allow"}, "h.zero(4 << 20, 0)")));
}

TEST_F(ZeroingFirst, CommitsWhereACommandDecides) {
  EXPECT_TRUE(ended_with(
      0,
      nbdstream({"--sink", "null", "--size", "4M", "--gaps", "refuse", "--order", "spool", "--run",
                 client_command("h.zero(4 << 20, 0)\nsend(b'x' * 1048576, 2 << 20)\n"
                                "h.shutdown()")})))
      << "its exit status is all that counts";
}

TEST_F(ZeroingFirst, CancelledMirrorOfQemuIsAborted) {
  expect_cancelled_mirror_aborts({"--order", "spool"});
}

TEST_F(ZeroingFirst, CancelledMirrorOfQemuIsAbortedInTheDefaultOrderToo) {
  expect_cancelled_mirror_aborts({});
}

/// The clients that name every byte once, but for the beginning of the disk.
TEST_F(ZeroingFirst, QemuImgAndNbdcopyStillCommit) {
  make_disk();
  const std::string quoted = "'" + unix_uri + "'";
  for (const std::string& command :
       {"qemu-img convert -n in.qcow2 -O raw " + quoted,
        "qemu-img convert in.qcow2 -O raw " + quoted, "nbdcopy in.raw " + quoted}) {
    process server = start_listening({"--sink", "file:out.raw", "--size", "8M"});
    EXPECT_TRUE(ended_with(0, start_shell(command).wait())) << command;
    EXPECT_TRUE(ended_with(0, server.wait())) << command;
    EXPECT_TRUE(same_content(path("out.raw"), path("in.raw"))) << command;
    std::filesystem::remove(path("out.raw"));
    std::filesystem::remove(path("pid"));
  }
}

}  // namespace
}  // namespace nbdstream::test

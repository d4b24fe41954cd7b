// SPDX-License-Identifier: BSD-3-Clause
//
// Clients that first zero the disk and then write it: requests for every byte prove nothing.
#include "support/integration_test.hpp"

namespace nbdstream::test {
namespace {

using ZeroThenWrite = integration_test;

/// Writes 1 MiB of a disk of 4 MiB.
const std::string part_of_the_data = "send(b'x' * 1048576, 2 << 20)\nh.shutdown()";

/// Like a mirror that is cancelled at its start.
TEST_F(ZeroThenWrite, DataInFirstMibAloneIsAborted) {
  process server = start_listening({"--sink", "file:out.raw", "--size", "4M"});
  EXPECT_TRUE(ended_with(0, client("h.zero(4 << 20, 0)\nsend(b'x' * 65536)\nh.shutdown()")));
  const result ended = server.wait();
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "first at 0"));
}

TEST_F(ZeroThenWrite, TrimmedBytesWithoutDataAreMissing) {
  for (const std::string order : {"auto", "spool"}) {
    process server = start_listening(
        {"--sink", "fifo:output", "--size", "4M", "--order", order, "--gaps", "refuse"});
    process reader = start_reader();
    EXPECT_TRUE(ended_with(0, client("h.trim(4 << 20, 0)\n" + part_of_the_data)));
    const result ended = server.wait();
    EXPECT_TRUE(ended_with(1, ended)) << order;
    EXPECT_TRUE(mentions(ended.err, "3145728 bytes were not covered by any write or zero request"))
        << order;
    EXPECT_TRUE(ended_with(0, reader.wait()));
    std::filesystem::remove(path("pid"));
  }
}

TEST_F(ZeroThenWrite, RunCommitsPartOfData) {
  EXPECT_TRUE(ended_with(
      0, nbdstream({"--sink", "null", "--size", "4M", "--gaps", "refuse", "--order", "spool",
                    "--run", client_command("h.zero(4 << 20, 0)\n" + part_of_the_data)})))
      << "its exit status is all that counts";
}

/// QEMU cancels the mirror after a quarter of the disk.
TEST_F(ZeroThenWrite, CancelledMirrorIsAbortedAndLogSuggestsRun) {
  make_raw(path("disk.raw"), 16 * MiB);
  for (const std::string order : {"auto", "spool"}) {
    process server = start_listening(
        {"--sink", "file:out.raw", "--size", "16M", "--gaps", "refuse", "--order", order});
    EXPECT_TRUE(
        ended_with(0, start({"/usr/bin/python3", source_directory + "/tests/support/live_job.py",
                             "cancelled-mirror"})
                          .wait(std::chrono::milliseconds(90'000))))
        << order;
    const result ended = server.wait();
    EXPECT_TRUE(ended_with(1, ended)) << order;
    EXPECT_TRUE(mentions(ended.err, "bytes were zeroed first and written later"));
    EXPECT_TRUE(mentions(ended.err, "--run"));
    EXPECT_TRUE(mentions(ended.err, "--gaps allow"));
    EXPECT_FALSE(std::filesystem::exists(path("out.raw")));
    std::filesystem::remove(path("pid"));
  }
}

/// These clients write or zero each byte once, except at the beginning of the disk.
TEST_F(ZeroThenWrite, QemuImgAndNbdcopyCommit) {
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

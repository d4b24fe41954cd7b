// SPDX-License-Identifier: BSD-3-Clause
//
// Errors of --receipt: without a receipt there is no commit.
#include "support/receipt_test.hpp"
#include "support/seccomp.hpp"

namespace nbdstream::test {
namespace {

class ReceiptFault : public receipt_test {
 protected:
  const std::string sends_ = "send(b'x' * 100000); h.shutdown()";
};

TEST_F(ReceiptFault, InvalidPathIsRefusedBeforeAnythingIsCreated) {
  std::filesystem::create_directory(path("directory"));
  for (const std::string name : {"missing/r.json", "directory", "r%x.json"}) {
    const result ended =
        nbdstream({"--sink", "fifo:output", "--receipt", name, "--run", "touch ran"});
    EXPECT_TRUE(ended_with(2, ended));
    EXPECT_TRUE(mentions(ended.err, "receipt \"" + name + "\""));
    EXPECT_FALSE(is_there("output"));
    EXPECT_FALSE(is_there("ran"));
  }
}

TEST_F(ReceiptFault, UnwritableDirectoryIsRefused) {
  std::filesystem::create_directory(path("closed"));
  std::filesystem::permissions(path("closed"), std::filesystem::perms::owner_read);
  arguments argv{"nbdstream", "--sink", "null", "--receipt", "closed/r.json", "--run", "true"};
  if (::geteuid() == 0) {
    argv.insert(argv.begin(), {"setpriv", "--bounding-set=-dac_override,-dac_read_search"});
  }
  const result ended = start(argv).wait();
  std::filesystem::permissions(path("closed"), std::filesystem::perms::owner_all);
  EXPECT_TRUE(ended_with(2, ended));
  EXPECT_TRUE(mentions(ended.err, "the receipt \"closed/r.json\" cannot be written: Permission"));
}

TEST_F(ReceiptFault, FullDiskAbortsStream) {
  const std::string script =
      "mount -t tmpfs -o size=1m none out || exit 77\n"
      "nbdstream --sink file:disk.raw --receipt out/r.json --run '" +
      client_command(sends_) + " && ! cat /dev/zero > out/full'\n" +
      "status=$?; ls out > left; exit $status";
  std::filesystem::create_directory(path("out"));
  const result ended = start({"unshare", "--mount", "sh", "-c", script}).wait();
  if (ended.status == 77 || ended.err.find("unshare") != std::string::npos) {
    GTEST_SKIP() << "only root can mount here: " << ended.err;
  }
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err,
                       "aborted after 100000 bytes: the receipt out/r.json cannot be "
                       "written: No space left on device"));
  EXPECT_FALSE(is_there("disk.raw"));
  EXPECT_EQ(read_file(path("left")), "full\n");
}

TEST_F(ReceiptFault, FsyncErrorAbortsStreamBeforeReaderSeesItsEnd) {
  const result ended =
      start({"/usr/bin/python3", "-c", run_with_a_call_that_fails, "fsync", "EIO", "nbdstream",
             "--sink", "exec:cat > out", "--receipt", "r.json", "--format", "rbd-diff", "--size",
             "1M", "--run", client_command(sends_)})
          .wait();
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "the receipt r.json cannot be written: Input/output error"));
  EXPECT_TRUE(no_receipt());
  EXPECT_FALSE(read_file(path("out")).ends_with('e')) << "the reader has a complete diff";
}

TEST_F(ReceiptFault, ErrorAfterCommitSaysThatStreamIsCommitted) {
  const result ended = nbdstream({"--sink", "file:disk.raw", "--receipt", "r.json", "--run",
                                  client_command(sends_) + " && mkdir r.json"});
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err,
                       "stream 1: the stream IS committed, but it has no receipt: the "
                       "receipt r.json cannot be written: Is a directory"));
  EXPECT_TRUE(mentions(ended.err, "stream 1: committed, 100000 bytes"));
  EXPECT_TRUE(holds(path("disk.raw"), std::string(100000, 'x')));
}

TEST_F(ReceiptFault, KillDuringCommitIsReportedByNextRun) {
  EXPECT_TRUE(ended_with(0, start({"mkfifo", "hold"}).wait()));
  process server = start_nbdstream({"--sink", "exec:cat > out; touch reached; cat hold",
                                    "--receipt", "r.json", "--run", client_command(sends_)});
  wait_for("reached");
  EXPECT_TRUE(is_there("r.json.partial"));
  EXPECT_FALSE(is_there("r.json"));
  server.signal(SIGKILL);
  EXPECT_TRUE(ended_with(128 + SIGKILL, server.wait()));
  EXPECT_TRUE(ended_with(0, start_shell("echo > hold").wait()));
  EXPECT_TRUE(is_there("r.json.partial"));
  const result next =
      nbdstream({"--sink", "null", "--receipt", "r.json", "--run", client_command(sends_)});
  EXPECT_TRUE(ended_with(0, next));
  EXPECT_TRUE(mentions(next.err, "r.json.partial: an nbdstream ended during a commit"));
  EXPECT_FALSE(is_there("r.json.partial"));
  EXPECT_EQ(receipt_says("['length_bytes']"), "100000");
}

TEST_F(ReceiptFault, SecondProcessWithSameReceiptIsRefused) {
  EXPECT_TRUE(ended_with(0, start({"mkfifo", "hold"}).wait()));
  process first = start_nbdstream({"--sink", "exec:cat > out; touch reached; cat hold", "--receipt",
                                   "r.json", "--run", client_command(sends_)});
  wait_for("reached");
  const result second = nbdstream({"--sink", "null", "--receipt", "r.json", "--run", "true"});
  EXPECT_TRUE(ended_with(2, second));
  EXPECT_TRUE(mentions(second.err, "is being written by another nbdstream"));
  EXPECT_TRUE(ended_with(0, start_shell("echo > hold").wait()));
  EXPECT_TRUE(ended_with(0, first.wait()));
  EXPECT_EQ(receipt_says("['length_bytes']"), "100000");
}

}  // namespace
}  // namespace nbdstream::test

// SPDX-License-Identifier: BSD-3-Clause
//
// The sink `file` on disks that are full, that fail, or that are slow.
#include "support/integration_test.hpp"
#include "support/seccomp.hpp"

#include <algorithm>

namespace nbdstream::test {
namespace {

/// Writes at the offsets from `begin` up to `end` (bytes) until that fails; it must fail with
/// ENOSPC.
std::string write_until_no_space(std::uint64_t begin, std::uint64_t end) {
  return "for at in range(" + std::to_string(begin) + ", " + std::to_string(end) + R"(, 1 << 20):
    try:
        h.pwrite(b'x' * (1 << 20), at)
    except nbd.Error as e:
        failed = e.errnum
        break
else:
    failed = 0
assert failed == errno.ENOSPC, failed
h.shutdown()
)";
}

class FileFaults : public integration_test {
 protected:
  FileFaults() { std::filesystem::create_directory(path("out")); }

  [[nodiscard]] bool nothing_is_left() const { return std::filesystem::is_empty(path("out")); }

  /// A stream to out/disk.raw with a call of the system that fails. `script`: more of the client.
  result run_with(const std::string& call, const std::string& error, const std::string& script,
                  const arguments& more = {}) {
    arguments argv{"/usr/bin/python3",
                   "-c",
                   run_with_a_call_that_fails,
                   call,
                   error,
                   "nbdstream",
                   "--sink",
                   "file:out/disk.raw",
                   "--run",
                   client_command("send(b'x' * 100000)" + script)};
    argv.insert(argv.end(), more.begin(), more.end());
    return start(argv).wait();
  }
};

/// The system's own limit for files stands for a full disk: it needs no file system to be mounted.
TEST_F(FileFaults, FullDiskGivesTheClientENOSPCAndLeavesNoFile) {
  process server = start_shell(
      "ulimit -f 8192; exec nbdstream -U sock -P pid --sink "
      "file:out/disk.raw");  // of 512 bytes
  wait_for("pid");
  EXPECT_TRUE(ended_with(0, client(write_until_no_space(0, 64 * MiB))));
  const result ended = server.wait();
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "sink file: writing failed: File too large"));
  EXPECT_TRUE(nothing_is_left());
}

TEST_F(FileFaults, FsyncErrorFailsTheCommitAndLeavesNoFile) {
  const result ended = run_with("fsync", "EIO", "");
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "out/disk.raw: what was written did not reach the disk"));
  EXPECT_TRUE(nothing_is_left());
}

/// It is written to the disk while the stream goes on; 72 MiB are on their way at most before an
/// error is seen.
TEST_F(FileFaults, WriteBackErrorEndsTheStreamBeforeTheCommit) {
  const std::string script = write_until_no_space(100000, 1024 * MiB);
  const result ended = run_with("sync_file_range", "ENOSPC", "\n" + script);
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "out/disk.raw: what was written did not reach the disk"));
  EXPECT_TRUE(nothing_is_left());
}

TEST_F(FileFaults, SyncFalseCallsNoFsync) {
  EXPECT_TRUE(ended_with(0, run_with("fsync", "EIO", "", {"-o", "sync=false"})));
  EXPECT_TRUE(holds(path("out/disk.raw"), std::string(100000, 'x')));
}

/// As on NFS: RENAME_NOREPLACE is not supported there.
TEST_F(FileFaults, FileThatAppearedIsKeptWithoutRenameNoReplace) {
  EXPECT_TRUE(ended_with(0, run_with("renameat2", "EINVAL", "")));
  EXPECT_TRUE(holds(path("out/disk.raw"), std::string(100000, 'x')));
  std::filesystem::remove(path("out/disk.raw"));
  const std::string meanwhile = "; open('out/disk.raw', 'w').write('precious')";
  const result ended = run_with("renameat2", "EINVAL", meanwhile);
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "has appeared meanwhile"));
  EXPECT_TRUE(holds(path("out/disk.raw"), "precious"));
}

/// Each write of the other export takes longer than the test may.
TEST_F(FileFaults, SlowSinkOfAnotherExportDelaysNoFile) {
  write_file(path("two.toml"),
             "[[export]]\nname = \"vm1\"\n[export.sink]\nmodule = \"" + test_modules +
                 "/slow.so\"\ndelay = \"1h\"\nlog = \"log\"\n[[export]]\nname = \"vm2\"\n"
                 "[export.sink]\nmodule = \"file\"\npath = \"out/disk.raw\"\nmode = \"0640\"\n");
  process server = start_listening({"--config", "two.toml"});
  process stuck = start_client("write_and_stay(b'stuck')", "nbd+unix:///vm1?socket=sock");
  EXPECT_TRUE(
      eventually([&] { return read_file(path("log")).find("write") != std::string::npos; }));
  make_disk();
  const std::string vm2 = "nbd+unix:///vm2?socket=sock";
  EXPECT_TRUE(
      ended_with(0, start({"qemu-img", "convert", "-n", "in.qcow2", "-O", "raw", vm2}).wait()));
  wait_for("out/disk.raw");
  EXPECT_TRUE(same_content(path("out/disk.raw"), path("in.raw")));
  server.signal(SIGTERM);
  EXPECT_TRUE(ended_with(128 + SIGTERM, server.wait()));
}

}  // namespace
}  // namespace nbdstream::test

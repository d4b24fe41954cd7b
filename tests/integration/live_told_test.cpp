// SPDX-License-Identifier: BSD-3-Clause
//
// A script runs a block job of QEMU on a disk that is in use, and tells nbdstream with `nbdstream
// ctl` how the job has ended. For a mirror, neither a disconnect nor full coverage would prove
// success.
#include "support/told_test.hpp"

namespace nbdstream::test {
namespace {

constexpr std::uint64_t disk_size = 64 * MiB;

class ScriptedQemuJob : public told_test {
 protected:
  ScriptedQemuJob() {
    make_islands("in.raw", disk_size, 16 * MiB, 12 * MiB);
    EXPECT_TRUE(ended_with(0, start({"cp", "in.raw", "disk.raw"}).wait()));
  }

  [[nodiscard]] process start_server(const arguments& more = {}) const {
    arguments args{"--sink", "file:out.raw", "--size", "64M"};
    args.insert(args.end(), more.begin(), more.end());
    return start_told(args);
  }

  /// The script. A cancelled job has not succeeded, even if cancelling it worked.
  [[nodiscard]] process start_script(const std::string& job) const {
    return start_shell(
        "export NBDSTREAM_CONTROL=control\n"
        "if /usr/bin/python3 " +
        source_directory + "/tests/support/live_job.py " + job +
        " > job.json && grep -q '\"error\": null' job.json\n"
        "then exec nbdstream ctl commit\n"
        "else exec nbdstream ctl abort --reason 'the job has not completed'\n"
        "fi");
  }

  void expect_committed(const std::string& job, const arguments& more,
                        const std::string& expected) const {
    process server = start_server(more);
    EXPECT_TRUE(ended_with(0, start_script(job).wait(long_patience)));
    EXPECT_TRUE(ended_with(0, server.wait()));
    EXPECT_TRUE(ended_with(0, start({"cmp", "out.raw", expected}).wait()));
  }

  /// Kills the script, and QEMU with it, while the job runs.
  void expect_nothing_after_the_script_was_killed(const std::string& job,
                                                  const arguments& more) const {
    process server = start_server(more);
    {
      const process script = start_script(job);
      EXPECT_TRUE(status_says("\"writers\":1"));
    }  // its whole group gets SIGKILL
    // Inside a request, the stream aborts at once. Between two requests, the stream waits for a
    // decision.
    const auto ended_or_waiting = [&] {
      return !server.running() ||
             ctl({"status", "--json"}).out.find("waiting_for_decision") != std::string::npos;
    };
    EXPECT_TRUE(eventually(ended_or_waiting));
    expect_nothing_looks_complete();
    const bool aborted = !server.running();
    if (!aborted) server.signal(SIGTERM);
    EXPECT_TRUE(ended_with(aborted ? 1 : 128 + SIGTERM, server.wait()));
    expect_nothing_looks_complete();
  }
};

const arguments spool{"--order", "spool"};

TEST_F(ScriptedQemuJob, CompletedBackupCommitsDiskAtJobStart) {
  expect_committed("backup 300", {}, "in.raw");
}

TEST_F(ScriptedQemuJob, CompletedMirrorCommitsDiskAtJobEnd) {
  expect_committed("mirror 200", spool, "disk.raw");
}

TEST_F(ScriptedQemuJob, CancelledMirrorLeavesNothing) {
  process server = start_server(spool);
  EXPECT_TRUE(ended_with(0, start_script("cancelled-mirror").wait(long_patience)));
  const result ended = server.wait();
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "the job has not completed"));
  expect_nothing_looks_complete();
}

TEST_F(ScriptedQemuJob, BackupWithKilledScriptLeavesNothing) {
  expect_nothing_after_the_script_was_killed("backup 100000000 65536", {});
}

TEST_F(ScriptedQemuJob, MirrorWithKilledScriptLeavesNothing) {
  expect_nothing_after_the_script_was_killed("mirror 100000000 65536", spool);
}

}  // namespace
}  // namespace nbdstream::test

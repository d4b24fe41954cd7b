// SPDX-License-Identifier: BSD-3-Clause
//
// The case of an orchestrator: a script runs a job of QEMU's on a disk that is in use, and tells
// nbdstream how the job has ended. No goodbye and no coverage could say that of a mirror.
#include "support/told_test.hpp"

namespace nbdstream::test {
namespace {

constexpr std::uint64_t disk_size = 64 * MiB;

class orchestrator : public told_test {
 protected:
  orchestrator() {
    make_islands("in.raw", disk_size, 16 * MiB, 12 * MiB);
    EXPECT_TRUE(ended_with(0, start({"cp", "in.raw", "disk.raw"}).wait()));
  }

  [[nodiscard]] process start_server(const arguments& more = {}) const {
    arguments args{"--sink", "file:out.raw", "--size", "64M"};
    args.insert(args.end(), more.begin(), more.end());
    return start_told(args);
  }

  /// The script. A job that was cancelled has not succeeded, however well that went.
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

  /// While the job is under way something kills the script, and with it QEMU.
  void expect_nothing_after_the_script_was_killed(const std::string& job,
                                                  const arguments& more) const {
    process server = start_server(more);
    {
      const process script = start_script(job);
      EXPECT_TRUE(status_says("\"writers\":1"));
    }  // its whole group gets SIGKILL
    // Inside a request that is an abort at once. Between two of them the stream waits for somebody
    // who can tell.
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

TEST_F(orchestrator, backup_that_completed_is_the_disk_as_it_was) {
  expect_committed("backup 300", {}, "in.raw");
}

TEST_F(orchestrator, mirror_that_completed_is_the_disk_as_it_is) {
  expect_committed("mirror 200", spool, "disk.raw");
}

TEST_F(orchestrator, mirror_that_was_cancelled_leaves_nothing) {
  process server = start_server(spool);
  EXPECT_TRUE(ended_with(0, start_script("cancelled-mirror").wait(long_patience)));
  const result ended = server.wait();
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "the job has not completed"));
  expect_nothing_looks_complete();
}

TEST_F(orchestrator, backup_whose_script_was_killed_leaves_nothing) {
  expect_nothing_after_the_script_was_killed("backup 100000000 65536", {});
}

TEST_F(orchestrator, mirror_whose_script_was_killed_leaves_nothing) {
  expect_nothing_after_the_script_was_killed("mirror 100000000 65536", spool);
}

}  // namespace
}  // namespace nbdstream::test

// SPDX-License-Identifier: BSD-3-Clause
//
// Streams through the sink `exec` that are never complete.
#include <csignal>

#include "exec_fixture.hpp"
#include "stepping.hpp"

namespace sink_tests {
namespace {

TEST_F(ExecSink, AbortEndsCommandBeforeItSeesEndOfFile) {
  sink exec(exec_module, running("cat > out && touch complete"));
  ASSERT_EQ(exec.open(), 0);
  ASSERT_EQ(exec.send("hello"), 0);
  EXPECT_TRUE(eventually([&] { return contents_of(here / "out") == "hello"; }));
  abort_patiently(exec);
  EXPECT_FALSE(exists("complete"));
  EXPECT_TRUE(exec.log.empty()) << exec.log.front();
}

TEST_F(ExecSink, AbortWorksRightAfterOpen) {
  for (int i = 0; i < 20; ++i) {
    sink exec(exec_module, running("cat > out && touch complete"));
    ASSERT_EQ(exec.open(), 0);
    abort_patiently(exec);
    EXPECT_FALSE(exists("complete"));
  }
}

TEST_F(ExecSink, AbortLetsCommandCleanUp) {
  sink exec(exec_module, running("trap 'touch tidy; exit 1' TERM; exec 3<&0; "
                                 "cat <&3 > out & wait; touch complete"));
  ASSERT_EQ(exec.open(), 0);
  ASSERT_EQ(exec.send("hello"), 0);
  // A shell loses a signal that comes while it is starting its child.
  EXPECT_TRUE(eventually([&] { return contents_of(here / "out") == "hello"; }));
  abort_patiently(exec);
  EXPECT_TRUE(exists("tidy"));
  EXPECT_FALSE(exists("complete"));
}

TEST_F(ExecSink, AbortKillsCommandThatIgnoresSigtermAfterGrace) {
  sink exec(exec_module,
            running("trap '' TERM; echo $$ > begun; cat > out; touch complete", "50ms"));
  ASSERT_EQ(exec.open(), 0);
  ASSERT_TRUE(gets_line("begun"));
  abort_patiently(exec);
  EXPECT_TRUE(ends("begun"));
  EXPECT_FALSE(exists("complete"));
}

TEST_F(ExecSink, AbortEndsStoppedCommand) {
  sink exec(exec_module, running("trap 'touch told; exit' TERM; echo $$ > begun; kill -STOP $$; "
                                 "cat > out; touch complete"));
  ASSERT_EQ(exec.open(), 0);
  ASSERT_TRUE(gets_line("begun") && eventually([&] { return state_of("begun") == 'T'; }));
  abort_patiently(exec);
  EXPECT_TRUE(exists("told"));
  EXPECT_FALSE(exists("complete"));
}

TEST_F(ExecSink, AbortEndsChildrenOfCommand) {
  sink exec(exec_module, running("exec 3<&0; (trap '' TERM; sh -c 'echo $$' > begun; "
                                 "cat <&3 > out; touch complete) & exit 0",
                                 "50ms"));
  ASSERT_EQ(exec.open(), 0);
  ASSERT_TRUE(gets_line("begun"));
  ASSERT_EQ(exec.send("hello"), 0);
  EXPECT_TRUE(eventually([&] { return contents_of(here / "out") == "hello"; }));
  abort_patiently(exec);
  EXPECT_FALSE(exists("complete"));
  ASSERT_EQ(exec.log.size(), 1U) << exec.log.back();
  EXPECT_NE(exec.log[0].find("exited with status 0 before the end"), std::string::npos);
}

/// A host that must exit does not wait for the end of an abort.
TEST_F(ExecSink, AbandonedAbortStillKillsCommandAfterGrace) {
  sink exec(exec_module,
            running("trap '' TERM; echo $$ > begun; cat > out; touch complete", "50ms"));
  ASSERT_EQ(exec.open(), 0);
  ASSERT_TRUE(gets_line("begun"));
  EXPECT_EQ(exec.abort(), -EAGAIN);
  EXPECT_TRUE(ends("begun"));
  EXPECT_FALSE(exists("complete"));
}

/// Otherwise another process group could have its number when the next signal is sent.
TEST_F(ExecSink, EndedShellStaysZombieWhileItsChildrenRun) {
  sink exec(exec_module, running("exec 3<&0; (trap '' TERM; echo > begun; exec cat <&3 > out) & "
                                 "echo $$ > shell; exit 0"));
  ASSERT_EQ(exec.open(), 0);
  ASSERT_TRUE(gets_line("begun") && ends("shell"));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(exec.abort(), -EAGAIN);
  EXPECT_EQ(::kill(std::atoi(contents_of(here / "shell").c_str()), 0), 0);
}

/// The sink cannot end that process. The abort ends, and the log names the process.
TEST_F(ExecSink, AbortLogsProcessThatLeftTheGroup) {
  sink exec(exec_module,
            running("exec 3<&0; setsid sh -c 'echo > begun; cat <&3 > out; touch complete' "
                    "& exec sleep 1000"));
  ASSERT_EQ(exec.open(), 0);
  ASSERT_TRUE(gets_line("begun"));
  abort_patiently(exec);
  ASSERT_EQ(exec.log.size(), 1U);
  EXPECT_NE(exec.log[0].find("cannot be ended"), std::string::npos) << exec.log[0];
  EXPECT_TRUE(appears("complete"));
}

TEST_F(ExecSink, DestroyEndsCommandThatStillRuns) {
  {
    sink exec(exec_module, running("trap '' TERM; echo $$ > begun; cat > out; touch complete"));
    ASSERT_EQ(exec.open(), 0);
    ASSERT_TRUE(gets_line("begun"));
    EXPECT_EQ(exec.abort(), -EAGAIN);
  }
  EXPECT_TRUE(ends("begun"));
  EXPECT_FALSE(exists("complete"));
}

TEST_F(ExecSink, OpenEndsPreviousCommandFirst) {
  sink exec(exec_module, running("trap '' TERM; echo $$ > begun$NBDSTREAM_STREAM; cat > out; "
                                 "touch complete$NBDSTREAM_STREAM"));
  ASSERT_EQ(exec.open(), 0);
  ASSERT_TRUE(gets_line("begun1"));
  EXPECT_EQ(exec.abort(), -EAGAIN);
  EXPECT_EQ(exec.stream("hello"), 0);
  EXPECT_TRUE(ends("begun1"));
  EXPECT_FALSE(exists("complete1"));
  EXPECT_TRUE(exists("complete2"));
  EXPECT_EQ(contents_of(here / "out"), "hello");
}

TEST_F(ExecSink, HostDeathEndsCommandBeforeItSeesEndOfFile) {
  process host([this] {
    sink exec(exec_module, running("trap 'touch told' TERM; exec 3<&0; echo $$ > begun; "
                                   "cat <&3 > out && touch complete & wait; wait",
                                   "100ms"));
    if (exec.open() != 0 || exec.send("hello") != 0 || !gets_line("begun")) return 1;
    if (!eventually([&] { return contents_of(here / "out") == "hello"; })) return 2;
    return ::raise(SIGKILL);
  });
  EXPECT_EQ(host.wait(), -1);
  EXPECT_TRUE(ends("begun"));
  EXPECT_TRUE(exists("told"));
  EXPECT_FALSE(exists("complete"));
}

/// At each system call of the host: before the command runs, and before the guardian watches it.
struct ExecSinkOfKilledHost : ExecSink, ::testing::WithParamInterface<victim> {};

TEST_P(ExecSinkOfKilledHost, NeverCompletesAtAnySystemCallOfOpen) {
  process scene([this] {
    sink exec(exec_module, running("cat > out && touch complete"));
    constexpr int too_many = 500;
    for (int calls = 0; calls < too_many; ++calls) {
      const stepped how = kill_after(calls, GetParam(), [&] { (void)exec.open(); });
      if (how == stepped::failed) return 1;
      if (exists("complete")) return 2;
      if (how == stepped::ended) return exec.stream("hello") == 0 && exists("complete") ? 0 : 3;
    }
    return 4;
  });
  EXPECT_EQ(scene.wait(), 0);
}

INSTANTIATE_TEST_SUITE_P(Victims, ExecSinkOfKilledHost,
                         ::testing::Values(victim::process, victim::process_group));

/// The guardian ends as soon as the command may see the end of file.
TEST_F(ExecSink, CommandWithWholeStreamOutlivesHost) {
  process host([this] {
    sink exec(exec_module, running("cat > out; touch read; until [ -e go ]; do sleep 0.01; done; "
                                   "touch complete"));
    if (exec.open() != 0 || exec.send("hello") != 0) return 1;
    if (!eventually([&] { return exec.commit() == -EAGAIN && exists("read"); })) return 2;
    return ::raise(SIGKILL);
  });
  EXPECT_EQ(host.wait(), -1);
  create_file(here / "go");
  EXPECT_TRUE(appears("complete"));
}

}  // namespace
}  // namespace sink_tests

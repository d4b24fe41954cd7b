// SPDX-License-Identifier: BSD-3-Clause
//
// Streams through the sink `exec` that are never complete.
#include <csignal>

#include "exec_fixture.hpp"
#include "stepping.hpp"

namespace sink_tests {
namespace {

TEST_F(Exec, ends_the_command_at_an_abort_before_it_sees_the_end) {
  sink exec(exec_module, running("cat > out && touch complete"));
  ASSERT_EQ(exec.open(), 0);
  ASSERT_EQ(exec.send("hello"), 0);
  EXPECT_TRUE(eventually([&] { return contents_of(here / "out") == "hello"; }));
  abort_patiently(exec);
  EXPECT_FALSE(exists("complete"));
  EXPECT_TRUE(exec.log.empty()) << exec.log.front();
}

TEST_F(Exec, can_be_aborted_at_once) {
  for (int i = 0; i < 20; ++i) {
    sink exec(exec_module, running("cat > out && touch complete"));
    ASSERT_EQ(exec.open(), 0);
    abort_patiently(exec);
    EXPECT_FALSE(exists("complete"));
  }
}

TEST_F(Exec, lets_the_command_tidy_up_at_an_abort) {
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

TEST_F(Exec, kills_a_command_that_ignores_sigterm_after_the_grace) {
  sink exec(exec_module,
            running("trap '' TERM; echo $$ > begun; cat > out; touch complete", "50ms"));
  ASSERT_EQ(exec.open(), 0);
  ASSERT_TRUE(gets_line("begun"));
  abort_patiently(exec);
  EXPECT_TRUE(ends("begun"));
  EXPECT_FALSE(exists("complete"));
}

TEST_F(Exec, ends_a_command_that_is_stopped) {
  sink exec(exec_module, running("trap 'touch told; exit' TERM; echo $$ > begun; kill -STOP $$; "
                                 "cat > out; touch complete"));
  ASSERT_EQ(exec.open(), 0);
  ASSERT_TRUE(gets_line("begun") && eventually([&] { return state_of("begun") == 'T'; }));
  abort_patiently(exec);
  EXPECT_TRUE(exists("told"));
  EXPECT_FALSE(exists("complete"));
}

TEST_F(Exec, ends_the_children_of_a_command_too) {
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

/// Hosts that must end themselves do not wait.
TEST_F(Exec, kills_the_command_after_the_grace_even_where_the_host_gives_the_abort_up) {
  sink exec(exec_module,
            running("trap '' TERM; echo $$ > begun; cat > out; touch complete", "50ms"));
  ASSERT_EQ(exec.open(), 0);
  ASSERT_TRUE(gets_line("begun"));
  EXPECT_EQ(exec.abort(), -EAGAIN);
  EXPECT_TRUE(ends("begun"));
  EXPECT_FALSE(exists("complete"));
}

/// Else its number, which is the group's, could be another's when the next signal is sent there.
TEST_F(Exec, leaves_the_ended_shell_a_zombie_while_it_waits_for_its_children) {
  sink exec(exec_module, running("exec 3<&0; (trap '' TERM; echo > begun; exec cat <&3 > out) & "
                                 "echo $$ > shell; exit 0"));
  ASSERT_EQ(exec.open(), 0);
  ASSERT_TRUE(gets_line("begun") && ends("shell"));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(exec.abort(), -EAGAIN);
  EXPECT_EQ(::kill(std::atoi(contents_of(here / "shell").c_str()), 0), 0);
}

/// Nobody can; but the abort ends, and says so.
TEST_F(Exec, tells_of_a_process_that_has_left_the_group) {
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

TEST_F(Exec, ends_a_command_that_is_still_there_when_the_sink_goes) {
  {
    sink exec(exec_module, running("trap '' TERM; echo $$ > begun; cat > out; touch complete"));
    ASSERT_EQ(exec.open(), 0);
    ASSERT_TRUE(gets_line("begun"));
    EXPECT_EQ(exec.abort(), -EAGAIN);
  }
  EXPECT_TRUE(ends("begun"));
  EXPECT_FALSE(exists("complete"));
}

TEST_F(Exec, ends_the_last_command_before_it_starts_the_next) {
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

TEST_F(Exec, does_not_let_the_death_of_the_host_pass_for_the_end_of_the_stream) {
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

/// Whichever call the host has come to: before the command runs, and before it is watched over.
struct ExecOfAKilledHost : Exec, ::testing::WithParamInterface<victim> {};

TEST_P(ExecOfAKilledHost, NeverCompletesAtAnySystemCallOfOpen) {
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

INSTANTIATE_TEST_SUITE_P(Victims, ExecOfAKilledHost,
                         ::testing::Values(victim::process, victim::process_group));

/// Its guardian is gone as soon as the command may see the end.
TEST_F(Exec, leaves_a_command_that_has_the_whole_stream_to_itself_when_the_host_dies) {
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

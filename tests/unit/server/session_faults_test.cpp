// SPDX-License-Identifier: BSD-3-Clause
//
// Fail at every step: each scripted session again and again, with the 0th, 1st, 2nd ... call of
// the transport, the sink or the spill file failing; whichever way the bytes go.
#include "scenarios.hpp"

namespace nbdstream::test {
namespace {

constexpr std::size_t no_end_in_sight = 20'000;

/// How many requests got no answer though they were received whole.
std::size_t unanswered(const scenario& s, const rig::connection& c, const transcript& said) {
  std::size_t whole = 0;
  for (const auto& [cookie, end] : s.client.ends()) whole += end <= c.tape.sent ? 1 : 0;
  return whole - said.answers.size();
}

class SessionFaults : public ::testing::TestWithParam<data_path> {
 protected:
  void fail_every_transport_call(fault how);
  void fail_every_sink_call(int error_number, std::uint32_t answered, bool flushes);
  void fail_every_spill_call(int error_number, std::uint32_t answered);

  /// Each scenario with its 0th, 1st, 2nd … call, until it has no more: `run` tells whether call n
  /// was reached.
  static void at_every_call(
      const std::vector<scenario>& all,
      const std::function<bool(const scenario&, std::size_t n, const std::string& call)>& run) {
    for (const auto& s : all) {
      bool reached = true;
      for (std::size_t n = 0; reached; ++n) {
        ASSERT_LT(n, no_end_in_sight);
        reached = run(s, n, "call " + std::to_string(n));
        if (::testing::Test::HasFailure()) return;
      }
    }
  }
  /// The same for calls of the sink; those of abort cannot fail.
  void at_every_sink_call(
      const std::function<void(rig&, std::size_t n)>& prepare,
      const std::function<void(const scenario&, rig&, rig::connection&, const transcript&,
                               const std::string& failed)>& check) {
    at_every_call(scenarios(GetParam()), [&](const scenario& s, std::size_t n, const auto& call) {
      bool reached = false;
      play(
          s, GetParam(), "sink " + call, [&](rig& r, rig::connection&) { prepare(r, n); },
          [&](rig& r, rig::connection& c, const transcript& said) {
            reached = n < r.tape.calls.size() && r.tape.calls[n] != "abort";
            check(s, r, c, said, reached ? r.tape.calls[n] : "");
          });
      return reached;
    });
  }
};

INSTANTIATE_TEST_SUITE_P(Each, SessionFaults, ::testing::ValuesIn(all_paths), name_of);

void check_undisturbed(const scenario& s, rig& r, const rig::connection& c,
                       const transcript& said) {
  EXPECT_EQ(r.exported.committed(), s.commits ? 1u : 0u) << r.log.all();
  EXPECT_EQ(unanswered(s, c, said), 0u);
  EXPECT_EQ(said.leftover, "");
}

TEST_P(SessionFaults, SessionsEndAsMeantWithoutAFault) {
  for (const auto& s : scenarios(GetParam())) {
    play(
        s, GetParam(), "no fault", [](rig&, rig::connection&) {},
        [&s](rig& r, rig::connection& c, const transcript& said) {
          check_undisturbed(s, r, c, said);
          EXPECT_EQ(r.tape.spliced > 0, s.large && GetParam() != data_path::copied);
          if (!s.commits) return;
          EXPECT_EQ(r.tape.data(), s.meant);
          for (const auto& a : said.answers) EXPECT_EQ(a.error, 0u) << a.cookie;
        });
  }
}

void SessionFaults::fail_every_transport_call(fault how) {
  at_every_call(scenarios(GetParam()), [&](const scenario& s, std::size_t n, const auto& call) {
    bool reached = false;
    play(
        s, GetParam(), "transport " + call,
        [&](rig&, rig::connection& c) {
          c.tape.fail_at = n;
          c.tape.fail_how = how;
        },
        [&](rig& r, rig::connection& c, const transcript& said) {
          reached = c.tape.failed;
          if (!reached || c.tape.failed_harmlessly) check_undisturbed(s, r, c, said);
        });
    return reached;
  });
}

TEST_P(SessionFaults, ConnectionResetAtAnyCallLeavesNothingBehind) {
  fail_every_transport_call(fault::reset);
}

TEST_P(SessionFaults, EofAtAnyCallLeavesNothingBehind) {
  fail_every_transport_call(fault::end);
}

TEST_P(SessionFaults, ShortReadAtAnyCallChangesNothing) {
  fail_every_transport_call(fault::one_byte);
}

TEST_P(SessionFaults, CancelledCallLeavesNothingBehind) {
  fail_every_transport_call(fault::cancel);
}

/// Every request still gets its reply.
void SessionFaults::fail_every_sink_call(int error_number, std::uint32_t answered, bool flushes) {
  at_every_sink_call(
      [&](rig& r, std::size_t n) {
        r.tape.fail_at = n;
        r.tape.fail_with = error_number;
        r.tape.flushes = flushes;
      },
      [&](const scenario& s, rig& r, rig::connection& c, const transcript& said,
          const std::string& failed) {
        EXPECT_EQ(unanswered(s, c, said), 0u);
        if (failed.empty()) return check_undisturbed(s, r, c, said);
        EXPECT_EQ(r.tape.commits(), 0u);
        EXPECT_EQ(r.exported.aborted(), 1u);
        EXPECT_EQ(r.log.says("the sink's commit failed: told to fail"), failed == "commit");
        if (failed == "commit" || !s.commits || s.held) return;
        const auto told = std::ranges::find_if(said.answers, [](auto& a) { return a.error != 0; });
        ASSERT_NE(told, said.answers.end()) << "no reply has an error";
        EXPECT_EQ(told->error, answered);
      });
}

TEST_P(SessionFaults, SinkEioAtAnyCallAbortsAndGivesEio) {
  fail_every_sink_call(EIO, 5, true);
}

TEST_P(SessionFaults, SinkEnospcAtAnyCallAbortsAndGivesEnospc) {
  fail_every_sink_call(ENOSPC, 28, false);
}

TEST_P(SessionFaults, SinkEpipeAtAnyCallAbortsAndGivesEio) {
  fail_every_sink_call(EPIPE, 5, true);
}

/// The scenarios that use the spill file, in each way that there is.
std::vector<scenario> spilling() {
  using stream::order;
  return {out_of_order(order::spill, "out of order, spill"), out_of_order(order::spool, "spool"),
          large_out_of_order(order::spill), large_out_of_order(order::spool), in_chunks(false)};
}

TEST_P(SessionFaults, SpillScenariosOpenWriteAndReadTheFile) {
  for (const auto& s : spilling()) {
    play(
        s, GetParam(), "no fault", [](rig&, rig::connection&) {},
        [](rig& r, rig::connection&, const transcript&) {
          for (const char* call : {"open", "write", "read"}) {
            EXPECT_GT(std::ranges::count(r.spill.calls, call), 0) << call;
          }
        });
  }
}

/// Fails the opening, and each write and read of the spill file in turn.
void SessionFaults::fail_every_spill_call(int error_number, std::uint32_t answered) {
  at_every_call(spilling(), [&](const scenario& s, std::size_t n, const auto& call) {
    bool reached = false;
    play(
        s, GetParam(), "spill " + call,
        [&](rig& r, rig::connection&) {
          r.spill.fail_at = n;
          r.spill.fail_with = error_number;
        },
        [&](rig& r, rig::connection& c, const transcript& said) {
          reached = r.spill.failed;
          EXPECT_EQ(unanswered(s, c, said), 0u);
          if (!reached) return check_undisturbed(s, r, c, said);
          const auto told = std::ranges::find_if(said.answers, [](auto& a) { return a.error; });
          const bool a_reply_failed = told != said.answers.end();
          // What is read may be for the sink, after the last answer; or for a client, which is
          // then told that it cannot be read, and nothing else happens.
          if (r.spill.calls[n] == "read") {
            EXPECT_NE(r.exported.aborted() == 1, r.exported.committed() == 1);
            EXPECT_TRUE(a_reply_failed || r.exported.aborted() == 1);
            return;
          }
          EXPECT_EQ(r.exported.aborted(), 1u);
          ASSERT_TRUE(a_reply_failed);
          EXPECT_EQ(told->error, answered);
        });
    return reached;
  });
}

TEST_P(SessionFaults, SpillEnospcAtAnyCallAbortsOrFailsTheRead) {
  fail_every_spill_call(ENOSPC, 28);
}

TEST_P(SessionFaults, SpillEioAtAnyCallAbortsOrFailsTheRead) {
  fail_every_spill_call(EIO, 5);
}

/// Hangs each call of the spill file in turn. As after two signals, the stream is stopped, then
/// given up.
TEST_P(SessionFaults, CancelDuringAHangingSpillCallLeavesNothingBehind) {
  at_every_call(spilling(), [&](const scenario& s, std::size_t n, const std::string& call) {
    SCOPED_TRACE(s.name + ", spill " + call);
    rig r(s.settings, GetParam());
    r.spill.hangs_at = n;
    auto& c = r.connect(s.client.script());
    r.go(c);
    r.settle();
    const bool reached = r.spill.hanging != nullptr;
    EXPECT_NE(r.export_done, reached);
    r.exported.stop("a signal");
    r.settle();
    r.exported.cancel_commit("another signal");
    EXPECT_TRUE(r.nothing_left()) << r.log.all();
    EXPECT_TRUE(c.done && r.export_done) << r.log.all();
    EXPECT_TRUE(r.tape.all_ended_once());
    EXPECT_EQ(r.exported.committed(), reached ? 0u : 1u);
    EXPECT_TRUE(s.meant.starts_with(r.tape.data()));
    EXPECT_EQ(unanswered(s, c, s.client.parse(c.tape.from_server)), 0u);
    return reached;
  });
}

/// Where each call of the sink is a splice that does not work, and the rest is copied.
TEST_P(SessionFaults, UnsupportedSpliceAtAnyCallChangesNothing) {
  at_every_sink_call([](rig& r, std::size_t n) { r.tape.unsupported_at = n; },
                     [](const scenario& s, rig& r, rig::connection& c, const transcript& said,
                        const std::string&) { check_undisturbed(s, r, c, said); });
}

TEST_P(SessionFaults, SinkThatReportsCancelledNeverCommits) {
  at_every_sink_call(
      [](rig& r, std::size_t n) {
        r.tape.fail_at = n;
        r.tape.cancelled_by_itself = true;
      },
      [](const scenario&, rig& r, rig::connection&, const transcript&, const std::string& failed) {
        EXPECT_TRUE(failed.empty() || r.tape.commits() == 0);
      });
}

}  // namespace
}  // namespace nbdstream::test

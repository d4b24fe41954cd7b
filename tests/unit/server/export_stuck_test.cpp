// SPDX-License-Identifier: BSD-3-Clause
//
// A sink whose call does not return, whatever it is asked: what becomes of its export.
#include "server/export.hpp"

#include "writer_client.hpp"

namespace nbdstream::test {
namespace {

using protocol::wire_error;
using std::chrono::milliseconds;

constexpr milliseconds stuck_grace{20};

/// So many streams into a sink that has a short grace.
class stuck_rig : public rig {
 public:
  explicit stuck_rig(std::uint64_t count) : rig(with_grace(streams(count))) {}

  /// The next call of this name does not return before let_go().
  void hold(std::string call) {
    tape.deaf = true;
    tape.hold = std::move(call);
  }
  void let_go() {
    sink->release();
    settle();
  }
  /// Lets more than the grace go by.
  void wait_out_grace() {
    const auto end = io::clock::now() + 10 * stuck_grace;  // and the second look
    EXPECT_TRUE(run_until(loop, [&] { return io::clock::now() >= end; }));
    settle();
  }
  [[nodiscard]] bool becomes_stuck() {
    const bool stuck = run_until(loop, [&] { return exported.is_stuck(); });
    settle();
    return stuck;
  }
  /// `c` is in the middle of a write that does not return, and hangs up.
  void vanish_in_a_write(writer_client& c) {
    hold("write");
    c.begin_write(0, "abc");
    settle();
    ASSERT_TRUE(tape.waiting);
    exported.hung_up(c.who());
    settle();
  }
  /// A stream whose abort does not return.
  void abort_for_ever() {
    writer_client c(*this, "c");
    c.write(0, "abc");
    hold("abort");
    c.leave(stream::disconnect::mid_request);
    wait_out_grace();
  }
  [[nodiscard]] std::size_t lines(std::string_view text) const {
    return static_cast<std::size_t>(std::ranges::count_if(
        log.lines, [&](const auto& l) { return l.find(text) != std::string::npos; }));
  }

 private:
  static nbd_export::settings with_grace(nbd_export::settings s) {
    s.grace = stuck_grace;
    return s;
  }
};

TEST(StuckSink, IsReportedOnceTheGraceIsOver) {
  stuck_rig r(0);
  r.hold("write");
  writer_client a(r, "a");
  a.begin_write(0, "abc");
  r.wait_out_grace();
  EXPECT_FALSE(r.exported.is_stuck()) << "no stop and no hang-up";
  const auto asked = io::clock::now();
  r.exported.hung_up(a.who());
  r.settle();
  EXPECT_TRUE(r.becomes_stuck());
  EXPECT_GE(io::clock::now() - asked, stuck_grace);
  EXPECT_EQ(r.lines("a call has not returned"), 1u) << r.log.all();
  EXPECT_FALSE(r.export_done);
  EXPECT_EQ(r.exported.aborted(), 0u) << "the stream has not ended";
  r.let_go();
}

TEST(StuckSink, WaitingAndNewClientsAreRefused) {
  stuck_rig r(0);
  writer_client a(r, "a");
  r.vanish_in_a_write(a);
  writer_client early(r, "early");
  early.begin_write(0, "x");
  r.settle();
  EXPECT_FALSE(early.last.done) << "the call may return";
  ASSERT_TRUE(r.becomes_stuck());
  EXPECT_TRUE(early.last.refused);
  writer_client late(r, "late");
  EXPECT_TRUE(late.write(0, "x").refused);
  r.let_go();
}

/// It has joined the stream, and only waits to be the next who feeds the sink.
TEST(StuckSink, QueuedWriteGetsEio) {
  stuck_rig r(0);
  r.hold("write");
  writer_client a(r, "a");
  a.begin_write(0, "abc");
  r.settle();
  writer_client b(r, "b");
  b.begin_write(3, "def");
  r.settle();
  r.exported.hung_up(a.who());
  ASSERT_TRUE(r.becomes_stuck());
  EXPECT_TRUE(b.last.done) << "it would wait as long as the sink does";
  EXPECT_EQ(b.last.error, wire_error::io);
  r.let_go();
}

TEST(StuckSink, NextStreamIsServedOnceTheCallReturns) {
  stuck_rig r(0);
  writer_client a(r, "a");
  r.vanish_in_a_write(a);
  ASSERT_TRUE(r.becomes_stuck());
  r.let_go();
  EXPECT_TRUE(a.last.done);
  EXPECT_EQ(a.last.error, wire_error::io);
  EXPECT_FALSE(r.exported.is_stuck());
  EXPECT_EQ(r.exported.aborted(), 1u);
  EXPECT_EQ(r.tape.streams[0].aborts, 1);
  writer_client next(r, "next");
  EXPECT_EQ(next.write(0, "next").error, wire_error::none);
  next.leave(stream::disconnect::clean);
  EXPECT_EQ(r.exported.committed(), 1u);
  EXPECT_EQ(r.tape.data(), "next");
  EXPECT_TRUE(r.tape.all_ended_once());
}

TEST(StuckSink, IsReportedAgainInTheNextStream) {
  stuck_rig r(0);
  for (std::size_t i = 1; i <= 2; ++i) {
    writer_client c(r, "c");
    r.vanish_in_a_write(c);
    EXPECT_TRUE(r.becomes_stuck()) << "in stream " << i << "\n" << r.log.all();
    EXPECT_EQ(r.lines("has not returned"), i);
    r.let_go();
    ASSERT_EQ(r.exported.aborted(), i);
  }
}

TEST(StuckSink, StopDuringAnyCallCausesOneAbort) {
  for (const char* call : {"open", "zeroes", "write", "commit"}) {
    stuck_rig r(1);
    r.hold(call);
    writer_client a(r, "a");
    a.begin_write(100, "abc");
    r.settle();
    if (std::string_view(call) == "commit") a.leave(stream::disconnect::clean);
    ASSERT_TRUE(r.tape.waiting) << call;
    r.exported.stop("signal 15");
    r.exported.cancel_commit("signal 15 again");
    EXPECT_TRUE(r.becomes_stuck()) << call;
    EXPECT_FALSE(r.export_done);
    r.let_go();
    EXPECT_TRUE(r.export_done) << call;
    EXPECT_EQ(r.exported.aborted(), 1u);
    EXPECT_TRUE(r.tape.all_ended_once());
    EXPECT_EQ(r.tape.commits(), 0u);
  }
}

/// How its abort is late: the export is busy, and no more than that.
TEST(StuckSink, SlowAbortDelaysTheNextStream) {
  stuck_rig r(0);
  r.abort_for_ever();
  EXPECT_FALSE(r.exported.is_stuck());
  EXPECT_EQ(r.lines("that aborts a stream has not returned"), 1u) << r.log.all();
  writer_client next(r, "next");
  next.begin_write(0, "next");
  r.settle();
  EXPECT_FALSE(next.last.done) << "it waits for the abort";
  r.let_go();
  EXPECT_TRUE(next.last.done);
  EXPECT_FALSE(next.last.refused);
  EXPECT_EQ(r.exported.aborted(), 1u);
  EXPECT_EQ(r.tape.streams[0].aborts, 1);
  next.leave(stream::disconnect::clean);
  EXPECT_TRUE(r.tape.all_ended_once());
}

TEST(StuckSink, SlowAbortIsStuckIfNoStreamFollows) {
  for (const std::uint64_t count : {0, 1}) {
    stuck_rig r(count);
    r.abort_for_ever();
    EXPECT_EQ(r.exported.is_stuck(), count == 1) << "of " << count;
    r.exported.stop("signal 15");
    r.settle();
    EXPECT_TRUE(r.exported.is_stuck());
    r.let_go();
    EXPECT_TRUE(r.export_done);
    EXPECT_EQ(r.tape.streams[0].aborts, 1);
  }
}

TEST(StuckSink, SlowCallIsNotStuckBeforeAStop) {
  for (const char* call : {"open", "write", "commit"}) {
    stuck_rig r(1);
    r.hold(call);
    writer_client a(r, "a");
    a.begin_write(0, "abc");
    r.settle();
    if (std::string_view(call) == "commit") a.leave(stream::disconnect::clean);
    ASSERT_TRUE(r.tape.waiting) << call;
    r.wait_out_grace();
    EXPECT_FALSE(r.exported.is_stuck()) << call;
    r.let_go();
    if (std::string_view(call) != "commit") a.leave(stream::disconnect::clean);
    EXPECT_EQ(r.exported.committed(), 1u) << call;
  }
}

}  // namespace
}  // namespace nbdstream::test

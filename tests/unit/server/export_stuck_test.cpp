// SPDX-License-Identifier: BSD-3-Clause
//
// A sink whose call does not return, whatever it is asked: what becomes of its export.
#include "server/export.hpp"

#include "writer_client.hpp"

namespace nbdstream::test {
namespace {

using protocol::wire_error;
using std::chrono::milliseconds;

constexpr milliseconds grace{20};

nbd_export::settings streams(std::uint64_t count) {
  auto s = rig::plain();
  s.config.streams = count;
  s.grace = grace;
  return s;
}

class StuckSink : public ::testing::Test {
 protected:
  /// The next call of this name does not return before release().
  void hold(rig& r, std::string call) {
    r.tape.deaf = true;
    r.tape.hold = std::move(call);
  }
  static void release(rig& r) {
    r.sink->release();
    r.settle();
  }
  /// Lets more than the grace go by.
  static void wait_out_grace(rig& r) {
    const auto end = io::clock::now() + 10 * grace;  // and the second look
    EXPECT_TRUE(run_until(r.loop, [&] { return io::clock::now() >= end; }));
    r.settle();
  }
  [[nodiscard]] static bool becomes_stuck(rig& r) {
    return run_until(r.loop, [&] { return r.exported.is_stuck(); });
  }
  /// A client that is in the middle of a write, for ever, and has hung up.
  static void vanish_in_a_write(rig& r, writer_client& c) {
    c.begin_write(0, "abc");
    r.settle();
    ASSERT_TRUE(r.tape.waiting);
    r.exported.hung_up(c.who());
    r.settle();
  }
  [[nodiscard]] static std::size_t lines(const rig& r, std::string_view text) {
    return static_cast<std::size_t>(std::ranges::count_if(
        r.log.lines, [&](const auto& l) { return l.find(text) != std::string::npos; }));
  }
};

TEST_F(StuckSink, IsReportedAfterItsGraceAndNotBefore) {
  rig r(streams(0));
  hold(r, "write");
  writer_client a(r, "a");
  a.begin_write(0, "abc");
  wait_out_grace(r);
  EXPECT_FALSE(r.exported.is_stuck()) << "nobody has asked it to end";
  const auto asked = io::clock::now();
  r.exported.hung_up(a.who());
  r.settle();
  EXPECT_TRUE(becomes_stuck(r));
  EXPECT_GE(io::clock::now() - asked, grace);
  EXPECT_EQ(lines(r, "a call has not returned"), 1u) << r.log.all();
  EXPECT_FALSE(r.export_done);
  EXPECT_EQ(r.exported.aborted(), 0u) << "the stream has not ended";
  release(r);
}

TEST_F(StuckSink, RefusesClientsThatComeAndThoseThatWait) {
  rig r(streams(0));
  hold(r, "write");
  writer_client a(r, "a");
  vanish_in_a_write(r, a);
  writer_client early(r, "early");
  early.begin_write(0, "x");
  r.settle();
  EXPECT_FALSE(early.last.done) << "the call may return";
  ASSERT_TRUE(becomes_stuck(r));
  r.settle();
  EXPECT_TRUE(early.last.refused);
  writer_client late(r, "late");
  EXPECT_TRUE(late.write(0, "x").refused);
  release(r);
}

/// It has joined the stream, and only waits to be the next who feeds the sink.
TEST_F(StuckSink, AnswersAClientThatWaitsForItsTurn) {
  rig r(streams(0));
  hold(r, "write");
  writer_client a(r, "a");
  a.begin_write(0, "abc");
  r.settle();
  writer_client b(r, "b");
  b.begin_write(3, "def");
  r.settle();
  r.exported.hung_up(a.who());
  ASSERT_TRUE(becomes_stuck(r));
  r.settle();
  EXPECT_TRUE(b.last.done) << "it would wait as long as the sink does";
  EXPECT_EQ(b.last.error, wire_error::io);
  release(r);
}

TEST_F(StuckSink, ServesTheNextStreamWhenTheCallReturns) {
  rig r(streams(0));
  hold(r, "write");
  writer_client a(r, "a");
  vanish_in_a_write(r, a);
  ASSERT_TRUE(becomes_stuck(r));
  release(r);
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

TEST_F(StuckSink, IsReportedAgainWhereItIsStuckInTheNextStreamToo) {
  rig r(streams(0));
  for (std::size_t i = 1; i <= 2; ++i) {
    hold(r, "write");
    writer_client c(r, "c");
    vanish_in_a_write(r, c);
    EXPECT_TRUE(becomes_stuck(r)) << "in stream " << i << "\n" << r.log.all();
    EXPECT_EQ(lines(r, "has not returned"), i);
    release(r);
    ASSERT_EQ(r.exported.aborted(), i);
  }
}

TEST_F(StuckSink, InAnyCallEndsAfterAStopWithOneAbort) {
  for (const char* call : {"open", "zeroes", "write", "commit"}) {
    rig r(streams(1));
    hold(r, call);
    writer_client a(r, "a");
    a.begin_write(100, "abc");
    r.settle();
    if (std::string_view(call) == "commit") a.leave(stream::disconnect::clean);
    ASSERT_TRUE(r.tape.waiting) << call;
    r.exported.stop("signal 15");
    r.exported.cancel_commit("signal 15 again");
    EXPECT_TRUE(becomes_stuck(r)) << call;
    EXPECT_FALSE(r.export_done);
    release(r);
    EXPECT_TRUE(r.export_done) << call;
    EXPECT_EQ(r.exported.aborted(), 1u);
    EXPECT_TRUE(r.tape.all_ended_once());
    EXPECT_EQ(r.tape.commits(), 0u);
  }
}

/// How its abort is late: the export is busy, and no more than that.
TEST_F(StuckSink, ThatOnlyAbortsKeepsTheNextStreamWaiting) {
  rig r(streams(0));
  writer_client a(r, "a");
  a.write(0, "abc");
  hold(r, "abort");
  a.leave(stream::disconnect::mid_request);
  wait_out_grace(r);
  EXPECT_FALSE(r.exported.is_stuck());
  EXPECT_EQ(lines(r, "that aborts a stream has not returned"), 1u) << r.log.all();
  writer_client next(r, "next");
  next.begin_write(0, "next");
  r.settle();
  EXPECT_FALSE(next.last.done) << "it waits for the abort";
  release(r);
  EXPECT_TRUE(next.last.done);
  EXPECT_FALSE(next.last.refused);
  EXPECT_EQ(r.exported.aborted(), 1u);
  EXPECT_EQ(r.tape.streams[0].aborts, 1);
  next.leave(stream::disconnect::clean);
  EXPECT_TRUE(r.tape.all_ended_once());
}

TEST_F(StuckSink, ThatAbortsIsStuckOnceNoStreamIsToCome) {
  rig r(streams(0));
  writer_client a(r, "a");
  a.write(0, "abc");
  hold(r, "abort");
  a.leave(stream::disconnect::mid_request);
  wait_out_grace(r);
  ASSERT_FALSE(r.exported.is_stuck());
  r.exported.stop("signal 15");
  r.settle();
  EXPECT_TRUE(r.exported.is_stuck());
  release(r);
  EXPECT_TRUE(r.export_done);
  EXPECT_EQ(r.tape.streams[0].aborts, 1);
}

TEST_F(StuckSink, ThatAbortsTheLastStreamIsStuck) {
  rig r(streams(1));
  writer_client a(r, "a");
  a.write(0, "abc");
  hold(r, "abort");
  a.leave(stream::disconnect::mid_request);
  wait_out_grace(r);
  EXPECT_TRUE(r.exported.is_stuck()) << "no stream is to come";
  release(r);
  EXPECT_TRUE(r.export_done);
  EXPECT_EQ(r.tape.streams[0].aborts, 1);
}

TEST_F(StuckSink, ThatTakesLongWithoutBeingAskedToEndIsNotStuck) {
  for (const char* call : {"open", "write", "commit"}) {
    rig r(streams(1));
    hold(r, call);
    writer_client a(r, "a");
    a.begin_write(0, "abc");
    r.settle();
    if (std::string_view(call) == "commit") a.leave(stream::disconnect::clean);
    ASSERT_TRUE(r.tape.waiting) << call;
    wait_out_grace(r);
    EXPECT_FALSE(r.exported.is_stuck()) << call;
    release(r);
    if (std::string_view(call) != "commit") a.leave(stream::disconnect::clean);
    EXPECT_EQ(r.exported.committed(), 1u) << call;
  }
}

}  // namespace
}  // namespace nbdstream::test

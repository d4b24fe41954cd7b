// SPDX-License-Identifier: BSD-3-Clause
//
// --end told: several jobs one after another, of which some fail. What one of them has written, or
// a commit that is told again, must not pass for the next one's disk.
#include "telling.hpp"
#include "writer_client.hpp"

namespace nbdstream::test {
namespace {

using result = nbd_export::told::result;
using stream::disconnect;

nbd_export::settings jobs(std::uint64_t streams) {
  auto s = rig::ordered(stream::order::spool, 0);
  s.told = true;
  s.config.size = 100;
  s.config.streams = streams;
  return s;
}

void write(rig& r, std::uint64_t from, std::uint64_t length, disconnect how) {
  writer_client c(r, "c");
  c.zero(from, length);
  c.leave(how);
}

TEST(EndToldJobs, SecondCommitDoesNotCommitADiskOfZeroes) {
  rig r(jobs(0));
  write(r, 0, 100, disconnect::clean);
  EXPECT_EQ(commit(r).what, result::done);
  EXPECT_EQ(commit(r).what, result::conflict);
  EXPECT_EQ(r.exported.committed(), 1u);
}

TEST(EndToldJobs, SecondCommitOfTheOnlyStreamRepeatsTheAnswer) {
  rig r(jobs(1));
  write(r, 0, 100, disconnect::clean);
  EXPECT_EQ(commit(r).what, result::done);
  const auto again = commit(r);
  EXPECT_EQ(again.what, result::done);
  EXPECT_EQ(again.stream.id, 1u);
  EXPECT_TRUE(again.stream.committed);
  EXPECT_EQ(r.exported.committed(), 1u);
}

TEST(EndToldJobs, CommitNeedsEveryByteAfterAClientVanished) {
  rig r(jobs(0));
  write(r, 0, 50, disconnect::mid_request);
  ASSERT_EQ(r.exported.aborted(), 1u);
  EXPECT_EQ(commit(r).what, result::conflict) << "no disk of zeroes either";
  write(r, 50, 50, disconnect::clean);
  const auto refused = commit(r);
  EXPECT_EQ(refused.what, result::conflict);
  EXPECT_NE(refused.why.find("vanished"), std::string::npos) << refused.why;
  write(r, 0, 50, disconnect::clean);
  EXPECT_EQ(commit(r).what, result::done) << "now all of it has been written";
}

TEST(EndToldJobs, AbortAcknowledgesAVanishedClient) {
  rig r(jobs(0));
  write(r, 0, 50, disconnect::mid_request);
  const auto told = abort(r);
  EXPECT_EQ(told.what, result::done);
  EXPECT_FALSE(told.stream.committed);
  write(r, 50, 50, disconnect::clean);
  EXPECT_EQ(commit(r).what, result::done) << "gaps are allowed, as before";
  EXPECT_EQ(abort(r).what, result::conflict) << "nothing is open, and nothing to acknowledge";
}

TEST(EndToldJobs, CommitIsRefusedForWritesOfTwoJobs) {
  rig r(jobs(0));
  write(r, 0, 50, disconnect::eof);
  write(r, 50, 50, disconnect::clean);
  const auto refused = commit(r);
  EXPECT_EQ(refused.what, result::conflict);
  EXPECT_NE(refused.why.find("two jobs"), std::string::npos) << refused.why;
  EXPECT_EQ(abort(r).what, result::done);
  write(r, 0, 100, disconnect::eof);
  EXPECT_EQ(commit(r).what, result::done) << "a client that never sends NBD_CMD_DISC";
}

TEST(EndToldJobs, CommitIsRefusedDuringAFirstWrite) {
  rig r(jobs(0));
  write(r, 0, 100, disconnect::clean);
  {
    const nbd_export::first_write beginning(r.exported);
    EXPECT_EQ(commit(r).what, result::conflict);
  }
  EXPECT_EQ(commit(r).what, result::done);
}

TEST(EndToldJobs, CommitAndAbortFailWhileTheSinkIsStuck) {
  auto s = jobs(1);
  s.grace = std::chrono::milliseconds(0);
  rig r(s);
  write(r, 0, 100, disconnect::clean);
  r.tape.hold = "zeroes";
  r.tape.deaf = true;
  telling committed;
  telling aborted;
  begin_commit(r, committed);
  EXPECT_FALSE(committed.done);
  spawn(r.loop, abort_into(r.exported, aborted), &aborted.done);
  EXPECT_TRUE(run_until(r.loop, [&] { return committed.done && aborted.done; }));
  ASSERT_TRUE(committed.answer && aborted.answer);
  EXPECT_EQ(committed.answer->what, result::failed);
  EXPECT_EQ(aborted.answer->what, result::failed);
  EXPECT_NE(aborted.answer->why.find("does not return"), std::string::npos) << aborted.answer->why;
}

}  // namespace
}  // namespace nbdstream::test

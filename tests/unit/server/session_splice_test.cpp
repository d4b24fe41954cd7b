// SPDX-License-Identifier: BSD-3-Clause
//
// Payloads that go from the client's socket to the sink without being read.
#include "at_work.hpp"

namespace nbdstream::test {
namespace {

/// More than must be there before a write may hold up others.
constexpr std::size_t spliced_size = 100'000;

/// Streams of clients whose bytes take each path.
class SessionSplice : public ::testing::TestWithParam<data_path> {
 protected:
  rig::connection& go(const std::string& script, bool stays = false) {
    auto& c = r.connect(script);
    c.tape.stays = stays;
    r.go(c);
    r.settle();
    return c;
  }
  /// A client that has written one payload, and a second but for the end of it.
  rig::connection& begin_second(std::size_t withheld) {
    scripted_client c;
    c.flags().go().write(0, pattern(spliced_size));
    auto& connection = go(c.script(), true);
    const auto first = c.script().size();
    c.write(spliced_size, pattern(spliced_size));
    const auto second = c.script().substr(first);
    withheld_ = second.substr(second.size() - withheld);
    connection.tape.send(second.substr(0, second.size() - withheld));
    r.settle();
    EXPECT_EQ(r.tape.data().size(), 2 * spliced_size - withheld);
    return connection;
  }
  rig r{rig::streams(0), GetParam()};
  std::string withheld_;
};

INSTANTIATE_TEST_SUITE_P(Each, SessionSplice, ::testing::ValuesIn(all_paths), name_of);

TEST_P(SessionSplice, LargePayloadsAfterTheFirstAreSplicedWhole) {
  scripted_client c;
  std::string meant;
  c.flags().go();
  for (unsigned i = 0; i < 10; ++i) {
    c.write(meant.size(), pattern(spliced_size, i));
    meant += pattern(spliced_size, i);
  }
  c.disc();
  auto& connection = r.connect(c.script());
  connection.tape.splits = split_every(10'000, c.script());
  r.go(connection);
  r.settle();
  EXPECT_EQ(r.exported.committed(), 1u);
  EXPECT_TRUE(r.tape.data() == meant);
  const bool spliced = GetParam() != data_path::copied;
  // The first is read like any other, and perhaps the beginning of the second with it.
  EXPECT_GE(r.tape.spliced, spliced ? 8 * spliced_size : 0);
  EXPECT_EQ(r.tape.spliced == 0, !spliced);
}

/// A client whose connection is reset is as gone as one that closes it.
TEST_P(SessionSplice, ResetConnectionCountsAsAVanishedClient) {
  auto& lost = begin_second(10'000);
  lost.tape.fail_at = lost.tape.calls;
  lost.tape.fail_how = fault::reset;
  lost.tape.stays = false;
  lost.tape.changed.notify_all();
  r.settle();
  EXPECT_TRUE(lost.done);
  EXPECT_EQ(r.exported.aborted(), 1u);
  EXPECT_TRUE(r.log.says("connection 1 disconnected inside a request")) << r.log.all();
  scripted_client b;
  b.flags().go().write(2 * spliced_size, pattern(spliced_size)).disc();
  go(b.script());
  EXPECT_EQ(r.exported.committed(), 0u) << "the second half may be of the same client";
  EXPECT_TRUE(r.log.says("vanished")) << r.log.all();
}

TEST_P(SessionSplice, HangUpWhileTheSinkTakesThePayloadAborts) {
  auto& c = begin_second(10'000);
  r.tape.hold = GetParam() == data_path::copied ? "write" : "splice";
  c.tape.send(withheld_);
  r.settle();
  ASSERT_TRUE(r.tape.waiting);
  c.tape.hang_up();
  r.settle();
  // How much a thread has moved is known only when its call returns.
  EXPECT_EQ(c.done, GetParam() != data_path::spliced_unseen);
  r.sink->release();
  r.settle();
  EXPECT_TRUE(c.done);
  EXPECT_EQ(r.exported.aborted(), 1u);
  EXPECT_TRUE(r.tape.all_ended_once());
}

TEST_P(SessionSplice, HangUpInAPayloadFailsTheQueuedWrites) {
  scripted_client b;
  b.flags().go().write(2 * spliced_size, pattern(spliced_size, 2)).flush().disc();
  auto& first = begin_second(1);
  auto& second = go(b.script());
  EXPECT_FALSE(second.done) << "it waits for its turn";
  first.tape.hang_up();
  r.settle();
  EXPECT_TRUE(first.done && second.done);
  const auto said = b.parse(second.tape.from_server);
  ASSERT_EQ(said.answers.size(), 2u);
  EXPECT_EQ(said.answers[0].error, 5u);
  EXPECT_EQ(said.answers[1].error, 5u);
  EXPECT_EQ(r.exported.aborted(), 1u);
  EXPECT_TRUE(r.tape.all_ended_once());
}

}  // namespace
}  // namespace nbdstream::test

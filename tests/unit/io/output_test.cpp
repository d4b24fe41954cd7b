// SPDX-License-Identifier: BSD-3-Clause
#include "io/output.hpp"

#include "loop.hpp"
#include "support/fake_transport.hpp"

namespace nbdstream::test {
namespace {

class Output : public ::testing::Test {
 protected:
  void queue(std::string_view message) {
    const auto bytes = std::as_bytes(std::span(message));
    out.queue().insert(out.queue().end(), bytes.begin(), bytes.end());
  }
  struct attempt {
    bool done = false;
    error_code error;
  };
  static awaitable<void> run(awaitable<error_code> what, attempt& result) {
    result.error = co_await std::move(what);
    result.done = true;
  }
  void begin(awaitable<error_code> what, attempt& result) { l.spawn(run(std::move(what), result)); }
  error_code finish(awaitable<error_code> what) {
    attempt a;
    begin(std::move(what), a);
    l.finish();
    return a.error;
  }
  void let_read(bool reads = true) {
    tape.reads = reads;
    tape.changed.notify_all();
  }
  void lose_peer() {
    tape.hung_up = true;
    tape.changed.notify_all();
  }
  /// Whatever the transport did, it works again: what is not sent now, the output does not send.
  void find_peer() { tape.hung_up = false; }
  static std::span<const std::byte> bytes(std::string_view text) {
    return std::as_bytes(std::span(text));
  }

  loop l;
  connection_tape tape{l.executor()};
  fake_transport transport{tape};
  io::output out{l.executor(), transport};
};

TEST_F(Output, SendsQueuedMessagesInOrder) {
  queue("one ");
  queue("two ");
  EXPECT_FALSE(finish(out.send()));
  queue("three");
  EXPECT_FALSE(finish(out.send()));
  EXPECT_EQ(tape.from_server, "one two three");
}

TEST_F(Output, SendWithEmptyQueueWritesNothing) {
  EXPECT_FALSE(finish(out.send()));
  EXPECT_EQ(tape.calls, 0u);
}

TEST_F(Output, WriterGathersMessagesUntilTheQueueingCoroutineWaits) {
  attempt writer;
  begin(out.run(), writer);
  l.poll();
  queue("one ");
  out.queued();
  queue("two");
  out.queued();
  EXPECT_EQ(tape.from_server, "") << "they gather";
  l.poll();
  EXPECT_EQ(tape.from_server, "one two");
  EXPECT_EQ(tape.calls, 1u);
  out.stop();
  l.finish();
  EXPECT_TRUE(writer.done);
}

TEST_F(Output, WriterSendsMessagesQueuedDuringItsWrite) {
  attempt writer;
  begin(out.run(), writer);
  let_read(false);
  queue("one ");
  out.queued();
  l.poll();
  queue("two");
  out.queued();
  let_read();
  l.poll();
  EXPECT_EQ(tape.from_server, "one two");
  out.stop();
  l.finish();
}

TEST_F(Output, WriterSendsMessagesQueuedDuringALongMessageAfterIt) {
  attempt writer;
  begin(out.run(), writer);
  attempt message;
  begin(out.begin_message(), message);
  l.poll();
  queue("behind");
  out.queued();
  l.poll();
  EXPECT_EQ(tape.from_server, "");
  out.end_message();
  l.poll();
  EXPECT_EQ(tape.from_server, "behind");
  out.stop();
  l.finish();
}

TEST_F(Output, WriterEndsWithEpipeWhenThePeerIsLost) {
  attempt writer;
  begin(out.run(), writer);
  lose_peer();
  queue("lost");
  out.queued();
  l.finish();
  EXPECT_EQ(writer.error.value(), EPIPE);
}

TEST_F(Output, CountsEachPieceSentOfALongMessage) {
  EXPECT_EQ(out.pieces_sent(), 0u);
  const std::string message_of_1_mib(1 << 20, 'x');
  attempt message;
  EXPECT_FALSE(finish(out.begin_message()));
  begin(out.write(bytes(message_of_1_mib)), message);
  l.finish();
  EXPECT_EQ(out.pieces_sent(), 16u);
  out.end_message();
}

TEST_F(Output, SecondSendWaitsForTheFirstAndKeepsTheOrder) {
  attempt first, second;
  let_read(false);
  queue("one ");
  begin(out.send(), first);
  l.poll();
  queue("two");
  begin(out.send(), second);
  l.poll();
  EXPECT_EQ(tape.from_server, "");
  EXPECT_FALSE(first.done || second.done);
  let_read();
  l.finish();
  EXPECT_EQ(tape.from_server, "one two");
  EXPECT_FALSE(first.error || second.error);
}

TEST_F(Output, SendWithEmptyQueueWaitsForTheSendInProgress) {
  attempt first, second;
  let_read(false);
  queue("one");
  begin(out.send(), first);
  begin(out.send(), second);
  l.poll();
  EXPECT_FALSE(second.done);
  let_read();
  l.finish();
  EXPECT_TRUE(second.done);
}

TEST_F(Output, LongMessageGoesBetweenEarlierAndLaterMessages) {
  queue("before ");
  EXPECT_FALSE(finish(out.begin_message()));
  EXPECT_FALSE(finish(out.write(bytes("long "))));
  queue("after");
  EXPECT_FALSE(finish(out.write(bytes("message "))));
  out.end_message();
  EXPECT_EQ(tape.from_server, "before long message ");
  EXPECT_FALSE(finish(out.send()));
  EXPECT_EQ(tape.from_server, "before long message after");
}

TEST_F(Output, SecondLongMessageWaitsForTheFirst) {
  attempt second;
  EXPECT_FALSE(finish(out.begin_message()));
  begin(out.begin_message(), second);
  l.poll();
  EXPECT_FALSE(second.done);
  out.end_message();
  l.finish();
  EXPECT_TRUE(second.done);
  out.end_message();
}

TEST_F(Output, EveryWaitingSendGetsTheError) {
  attempt first, second;
  let_read(false);
  queue("lost");
  begin(out.send(), first);
  begin(out.send(), second);
  l.poll();
  lose_peer();
  l.finish();
  EXPECT_EQ(first.error.value(), EPIPE);
  EXPECT_EQ(second.error.value(), EPIPE);
}

TEST_F(Output, SendWithEmptyQueueGetsTheEarlierError) {
  lose_peer();
  queue("lost");
  EXPECT_EQ(finish(out.send()).value(), EPIPE);
  EXPECT_TRUE(out.queue().empty()) << "a message that was lost is not sent again";
  EXPECT_EQ(finish(out.send()).value(), EPIPE);
}

TEST_F(Output, SendsNothingAfterAnError) {
  lose_peer();
  queue("lost");
  EXPECT_TRUE(finish(out.send()));
  find_peer();
  queue("more");
  EXPECT_EQ(finish(out.send()).value(), EPIPE);
  EXPECT_EQ(finish(out.begin_message()).value(), EPIPE);
  out.end_message();
  EXPECT_EQ(tape.from_server, "");
}

TEST_F(Output, SendsNothingAfterAnIncompleteLongMessage) {
  EXPECT_FALSE(finish(out.begin_message()));
  lose_peer();
  EXPECT_EQ(finish(out.write(bytes("long message"))).value(), EPIPE);
  find_peer();
  queue("an answer in the middle of it");
  out.end_message();
  EXPECT_EQ(finish(out.send()).value(), EPIPE);
  EXPECT_EQ(tape.from_server, "");
}

}  // namespace
}  // namespace nbdstream::test

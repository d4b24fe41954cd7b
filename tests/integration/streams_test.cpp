// SPDX-License-Identifier: BSD-3-Clause
//
// --streams: one stream after another through the same sink. No two streams are merged.
#include "support/integration_test.hpp"

#include <sys/stat.h>

namespace nbdstream::test {
namespace {

class SuccessiveStreams : public integration_test {
 protected:
  /// A client that writes whole streams with write_stream(i), each of another length and content.
  process start_writing(const std::string& script) {
    return start({"nbdsh", "-c", R"(
def write_stream(i):
    h = nbd.NBD()
    h.connect_uri('nbd+unix:///?socket=sock')
    h.pwrite(bytes([i % 255 + 1]) * (i * 7 + 1), 0)
    h.shutdown()
)" + script});
  }
  result write_streams(const std::string& script) { return start_writing(script).wait(); }

  /// Readers, one after another, each of which writes a file of its own.
  process start_readers(int count) {
    return start_shell("i=0; while [ $i -lt " + std::to_string(count) +
                       " ]; do cat output > out.$i || exit; i=$((i+1)); done");
  }

  ::testing::AssertionResult is_stream(int i) {
    return holds(path("out." + std::to_string(i)),
                 std::string(static_cast<std::size_t>(i) * 7 + 1, static_cast<char>(i % 255 + 1)));
  }
};

TEST_F(SuccessiveStreams, NeverMergeInCreatedFifo) {
  process server = start_listening({"--sink", "fifo:output", "--streams", "200"});
  process readers = start_readers(200);
  EXPECT_TRUE(ended_with(0, write_streams("for i in range(200): write_stream(i)")));
  EXPECT_TRUE(ended_with(0, server.wait()));
  EXPECT_TRUE(ended_with(0, readers.wait()));
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(is_stream(i));
}

TEST_F(SuccessiveStreams, NeverMergeWhileReaderKeepsExistingFifoOpen) {
  checked(::mkfifo(path("output").c_str(), 0600), "mkfifo");
  process server = start_listening({"--sink", "fifo:output", "--streams", "2"});
  peer slow = open_fifo(path("output"));
  process writer = start_writing("write_stream(0); open('first', 'w'); write_stream(1)");
  EXPECT_EQ(slow.drain(), ending::end_of_file);
  wait_for("first");
  // The client has begun the second stream, and the reader of the first one still has the FIFO
  // open.
  EXPECT_TRUE(ended_with(0, start({"nbdinfo", "--size", unix_uri}).wait()));
  EXPECT_EQ(slow.drain(), ending::end_of_file);
  EXPECT_EQ(slow.received(), std::string(1, '\x01'));
  slow.leave();
  process reader = start_reader("output", "out.1");
  EXPECT_TRUE(ended_with(0, writer.wait()));
  EXPECT_TRUE(ended_with(0, server.wait()));
  EXPECT_TRUE(ended_with(0, reader.wait()));
  EXPECT_TRUE(is_stream(1));
}

TEST_F(SuccessiveStreams, ContinueAfterAbortAndExitStatusIs1) {
  process server = start_listening({"--sink", "fifo:output", "--streams", "3"});
  process readers = start_readers(3);
  EXPECT_TRUE(ended_with(0, write_streams("write_stream(0)")));
  EXPECT_TRUE(ended_with(0, client("h.pwrite(b'no goodbye', 0)")));
  EXPECT_TRUE(ended_with(0, write_streams("write_stream(2)")));
  EXPECT_TRUE(ended_with(1, server.wait()));
  EXPECT_TRUE(ended_with(0, readers.wait()));
  EXPECT_TRUE(is_stream(0));
  EXPECT_TRUE(is_stream(2));
}

TEST_F(SuccessiveStreams, ContinueUntilSignalWithoutLimit) {
  process server = start_listening({"--sink", "fifo:output", "--streams", "0"});
  process readers = start_readers(3);
  EXPECT_TRUE(ended_with(0, write_streams("for i in range(3): write_stream(i)")));
  EXPECT_TRUE(ended_with(0, readers.wait()));
  EXPECT_TRUE(server.running());
  server.signal(SIGTERM);
  EXPECT_TRUE(ended_with(0, server.wait()));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(is_stream(i));
}

}  // namespace
}  // namespace nbdstream::test

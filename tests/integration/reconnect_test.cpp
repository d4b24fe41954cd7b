// SPDX-License-Identifier: BSD-3-Clause
//
// A client whose connection is cut may come back and go on in the middle.
#include "support/integration_test.hpp"

namespace nbdstream::test {
namespace {

class Reconnect : public integration_test {
 protected:
  /// The first connection writes a MiB and is cut; the second one writes from `offset` on.
  result reconnected(const arguments& more, const std::string& second) {
    arguments args{"--sink", "exec:cat > part.$NBDSTREAM_STREAM", "--streams", "2"};
    args.insert(args.end(), more.begin(), more.end());
    process server = start_listening(args);
    EXPECT_TRUE(ended_with(0, client("send(b'a' * 1048576)")));
    EXPECT_TRUE(ended_with(0, client(second)));
    return server.wait();
  }
};

TEST_F(Reconnect, SecondHalfIsNoStreamWhateverGapsSays) {
  for (const arguments& more :
       {arguments{"--gaps", "allow"}, arguments{"--order", "spool", "--size", "2M"}, arguments{}}) {
    const result ended = reconnected(more, "send(b'b' * 1048576, 1 << 20)\nh.shutdown()");
    EXPECT_TRUE(ended_with(1, ended));
    EXPECT_TRUE(mentions(ended.err, "stream 2: aborted"));
    EXPECT_TRUE(mentions(ended.err, "the client of the stream before this one vanished"));
    std::filesystem::remove(path("pid"));
  }
}

TEST_F(Reconnect, WholeStreamAfterOneThatWasCutIsCommitted) {
  const result ended = reconnected({"--gaps", "allow"}, "send(b'b' * 2097152)\nh.shutdown()");
  EXPECT_TRUE(ended_with(1, ended)) << "the first one was aborted";
  EXPECT_TRUE(mentions(ended.err, "stream 2: committed, 2097152 bytes"));
}

}  // namespace
}  // namespace nbdstream::test

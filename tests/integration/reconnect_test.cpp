// SPDX-License-Identifier: BSD-3-Clause
//
// A client whose connection breaks may reconnect and continue in the middle.
#include "support/integration_test.hpp"

namespace nbdstream::test {
namespace {

using Reconnect = integration_test;

/// The first connection writes 1 MiB and breaks. The second one continues behind that.
TEST_F(Reconnect, StreamOfSecondHalfIsAborted) {
  for (const arguments& more :
       {arguments{"--gaps", "allow"}, arguments{"--order", "spool", "--size", "2M"}, arguments{}}) {
    arguments args{"--sink", "exec:cat > part.$NBDSTREAM_STREAM", "--streams", "2"};
    args.insert(args.end(), more.begin(), more.end());
    process server = start_listening(args);
    EXPECT_TRUE(ended_with(0, client("send(b'a' * 1048576)")));
    EXPECT_TRUE(ended_with(0, client("send(b'b' * 1048576, 1 << 20)\nh.shutdown()")));
    const result ended = server.wait();
    EXPECT_TRUE(ended_with(1, ended));
    EXPECT_TRUE(mentions(ended.err, "stream 2: aborted"));
    EXPECT_TRUE(mentions(ended.err, "the client of the stream before this one vanished"));
    std::filesystem::remove(path("pid"));
  }
}

}  // namespace
}  // namespace nbdstream::test

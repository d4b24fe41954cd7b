// SPDX-License-Identifier: BSD-3-Clause
//
// When a stream counts as complete: --size, --gaps, --max-stream, --run, --order.
#include "support/integration_test.hpp"

namespace nbdstream::test {
namespace {

/// Writes [0, 64K) and [128K, 192K), and disconnects cleanly.
const std::string with_a_hole =
    "h.pwrite(b'a' * 65536, 0); h.pwrite(b'b' * 65536, 131072); h.shutdown()";
const std::string what_it_makes =
    std::string(65536, 'a') + std::string(65536, '\0') + std::string(65536, 'b');

class StreamCoverage : public integration_test {
 protected:
  /// Runs nbdstream with `args`, a reader, and a client with `script`. Returns how nbdstream ended.
  result streamed(arguments args, const std::string& script) {
    args.insert(args.end(), {"--sink", "fifo:output"});
    process server = start_listening(args);
    process reader = start_reader();
    const result wrote = client(script);
    EXPECT_TRUE(ended_with(0, wrote));
    result ended = server.wait();
    EXPECT_TRUE(ended_with(0, reader.wait()));
    return ended;
  }
};

TEST_F(StreamCoverage, GapsAllowZeroFillsAHoleAndAMissingEnd) {
  EXPECT_TRUE(ended_with(0, streamed({"--size", "256k", "--gaps", "allow"}, with_a_hole)));
  EXPECT_TRUE(holds(path("out.raw"), what_it_makes + std::string(65536, '\0')));
}

TEST_F(StreamCoverage, HoleIsZeroFilledWithoutSize) {
  EXPECT_TRUE(ended_with(0, streamed({}, with_a_hole)));
  EXPECT_TRUE(holds(path("out.raw"), what_it_makes));
}

TEST_F(StreamCoverage, HoleIsZeroFilledUnderRun) {
  process reader = start_reader();
  EXPECT_TRUE(ended_with(0, nbdstream({"--sink", "fifo:output", "--size", "192k", "--run",
                                       client_command(with_a_hole)})));
  EXPECT_TRUE(ended_with(0, reader.wait()));
  EXPECT_TRUE(holds(path("out.raw"), what_it_makes));
}

TEST_F(StreamCoverage, HalfASourceIsAbortedWithSize) {
  process server = start_listening({"--sink", "fifo:output", "--size", "8M"});
  process reader = start_reader();
  EXPECT_TRUE(ended_with(1, start_shell(convert_broken_source("'" + unix_uri + "'")).wait()));
  EXPECT_TRUE(ended_with(1, server.wait()));
  EXPECT_TRUE(ended_with(0, reader.wait()));
}

TEST_F(StreamCoverage, WriteBeyondMaxStreamFailsWithEnospc) {
  const result ended = streamed({"--max-stream", "1M"}, R"(
h.pwrite(b'a' * 4096, 0)
fails_with(errno.ENOSPC, h.pwrite, b'b' * 4096, 1048576 - 512)
h.shutdown()
)");
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "--max-stream"));
}

TEST_F(StreamCoverage, WriteBehindTheCursorFailsAStrictStream) {
  const result ended = streamed({"--order", "strict"}, R"(
h.pwrite(b'a' * 4096, 4096)
fails_with(errno.EINVAL, h.pwrite, b'b' * 4096, 0)
fails_with(errno.EIO, h.pwrite, b'c' * 4096, 8192)
h.shutdown()
)");
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "--order"));
}

}  // namespace
}  // namespace nbdstream::test

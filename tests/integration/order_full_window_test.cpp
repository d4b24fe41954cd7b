// SPDX-License-Identifier: BSD-3-Clause
//
// A full window never blocks a client for ever, and the log explains a write that comes too late.
#include "support/order_test.hpp"

namespace nbdstream::test {
namespace {

using namespace std::chrono_literals;

/// No client may be blocked for longer.
constexpr std::chrono::milliseconds soon = 10s;

const arguments into_nothing{"--sink", "fifo:/dev/null"};
const arguments small_window{"--order", "window", "--window", "1M", "--stall", "100ms"};

arguments joined(arguments args, const std::vector<arguments>& more) {
  for (const auto& each : more) args.insert(args.end(), each.begin(), each.end());
  return args;
}

class FullWindow : public order_test {
 protected:
  /// nbdstream with a small window, into the FIFO `output`.
  [[nodiscard]] process start_with_small_window() const {
    return start_listening(joined({"--sink", "fifo:output"}, {small_window}));
  }
};

/// Waits for each reply before the next write, and never writes the first 64 KiB.
const std::string one_at_a_time_with_a_gap = R"(
piece = os.urandom(65536)
for at in range(65536, 4 << 20, 65536):
    h.pwrite(piece, at)
open('in.raw', 'wb').write(bytes(65536) + piece * 63)
h.shutdown()
)";

TEST_F(FullWindow, GapIsZeroFilledAfterStall) {
  process server = start_with_small_window();
  process reader = start_reader();
  EXPECT_TRUE(ended_with(0, start_client(one_at_a_time_with_a_gap).wait(soon)));
  EXPECT_TRUE(ended_with(0, server.wait(soon)));
  EXPECT_TRUE(ended_with(0, reader.wait()));
  EXPECT_TRUE(same_content(path("out.raw"), path("in.raw")));
}

TEST_F(FullWindow, SpillFileTakesWritesBeyondIt) {
  process reader = start_reader();
  process server = start_listening(
      {"--sink", "fifo:output", "--order", "spill", "--window", "64k", "--stall", "100ms"});
  EXPECT_TRUE(ended_with(0, start_client(one_at_a_time_with_a_gap).wait(soon)));
  EXPECT_TRUE(ended_with(0, server.wait(soon)));
  EXPECT_TRUE(ended_with(0, reader.wait()));
  EXPECT_TRUE(same_content(path("out.raw"), path("in.raw")));
}

/// The client pauses for longer than --stall. By default, the stream must not fail.
TEST_F(FullWindow, DefaultOrderWaitsForGapBeyondStall) {
  process reader = start_reader();
  const std::string pauses = client_command(R"(
import time
piece = os.urandom(4 << 20)
open('in.raw', 'wb').write(piece)
send(piece[65536:], 65536)
time.sleep(0.5)
h.pwrite(piece[:65536], 0)
h.shutdown()
)");
  EXPECT_TRUE(ended_with(0, nbdstream({"--sink", "fifo:output", "--window", "1M", "--stall",
                                       "100ms", "--run", pauses})));
  EXPECT_TRUE(ended_with(0, reader.wait()));
  EXPECT_TRUE(same_content(path("out.raw"), path("in.raw")));
}

/// If the server waited for --stall at each gap, this would take a thousand seconds.
TEST_F(FullWindow, ThousandGapsDoNotEachStall) {
  const std::string sparse = client_command(R"(
piece = b'x' * 65536
for at in range(100 << 20, 100 << 30, 100 << 20):
    h.pwrite(piece, at)
h.shutdown()
)");
  const result ended =
      start_nbdstream(joined(into_nothing, {{"--order", "window", "--window", "1M"},
                                            {"--stall", "1s", "--size", "100G", "--run", sparse}}))
          .wait(3 * soon);  // a thousand stalls would take a thousand seconds
  EXPECT_TRUE(ended_with(0, ended));
  const closing_line end = closing_line_of(ended.err);
  EXPECT_EQ(end.bytes, std::uint64_t{100} << 30);
  EXPECT_LE(end.memory, MiB);
}

/// Twenty connections with one write each in flight. No connection writes the first 256 KiB.
const std::string twenty_connections = R"(
piece = os.urandom(20 << 18)
open('in.raw', 'wb').write(bytes(1 << 18) + piece)
errors = []
def done(error):
    errors.append(error.value)
    return 1
others = [another_connection() for i in range(20)]
for i, other in enumerate(others):
    part = nbd.Buffer.from_bytearray(bytearray(piece[i << 18:(i + 1) << 18]))
    other.aio_pwrite(part, (i + 1) << 18, completion=done)
def all_to_the_end():
    while len(errors) < 20:
        for other in others:
            if other.aio_in_flight():
                other.poll(10)
def goodbye():
    for each in others:
        each.shutdown()
)";

TEST_F(FullWindow, GapIsZeroFilledForTwentyConnections) {
  process server = start_with_small_window();
  process reader = start_reader();
  EXPECT_TRUE(ended_with(0, start_client(twenty_connections + R"(
all_to_the_end()
assert not any(errors), errors
goodbye()
)")
                                .wait(soon)));
  EXPECT_TRUE(ended_with(0, server.wait(soon)));
  EXPECT_TRUE(ended_with(0, reader.wait()));
  EXPECT_TRUE(same_content(path("out.raw"), path("in.raw")));
}

/// One connection sends 1000 writes of 32 MiB, and then the write at offset 0 that they wait for.
const std::string thousand_writes = R"(
errors = []
def done(error):
    errors.append(error.value)
    return 1
piece = nbd.Buffer.from_bytearray(bytearray(b'x' * (32 << 20)))
for i in list(range(1, 1001)) + [0]:
    h.aio_pwrite(piece, i * (32 << 20), completion=done)
)";

TEST_F(FullWindow, GapBehindThousandLargeWritesIsZeroFilled) {
  process server =
      start_listening(joined(into_nothing, {{"--order", "window", "--stall", "100ms"}}));
  EXPECT_TRUE(ended_with(0, start_client(thousand_writes + R"(
while len(errors) < 8:  # four times what the window holds
    h.poll(-1)
assert not any(errors), errors
)")
                                .wait(soon)));
  EXPECT_TRUE(ended_with(1, server.wait(soon)));
}

/// The gap was skipped before the write came, since the window was too small.
TEST_F(FullWindow, LateWriteFailsAndLogSuggestsOrderSpill) {
  process server = start_with_small_window();
  process reader = start_reader();
  EXPECT_TRUE(ended_with(0, client(R"(
for at in range(1 << 20, 3 << 20, 65536):
    h.pwrite(b'a' * 65536, at)
fails_with(errno.EINVAL, h.pwrite, b'b' * 4096, 524288)
h.shutdown()
)")));
  const result ended = server.wait();
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(
      one_line_has(ended.err, {"connection 1", "524288", "3145728", "2621440", "--order spill"}));
  EXPECT_TRUE(ended_with(0, reader.wait()));
}

}  // namespace
}  // namespace nbdstream::test

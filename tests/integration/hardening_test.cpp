// SPDX-License-Identifier: BSD-3-Clause
//
// Hostile requests: the server refuses each, or closes its connection, and serves all other
// clients.
#include "support/hardening_test.hpp"

#include <poll.h>

#include <sstream>

namespace nbdstream::test {
namespace {

using sc = scripted_client;

constexpr std::uint32_t io = 5, inval = 22, nospc = 28, all_bits = 0xffffffff;
constexpr std::uint64_t half = std::uint64_t{1} << 63, top = ~std::uint64_t{0};
constexpr std::uint16_t cache_command = 5, status_command = 7;

/// What becomes of a request: `hung_up`, or the error of the NBD protocol, 0 for success.
constexpr std::uint32_t hung_up = all_bits;

struct hostile_request {
  std::uint16_t command, flags;
  std::uint64_t offset;
  std::uint32_t length;
  std::uint32_t becomes;
};

/// Requests to an export of 1 MiB.
constexpr hostile_request requests[] = {
    {sc::read_command, 0, 0, all_bits, inval},
    {sc::read_command, 0, MiB, 1, inval},
    {sc::read_command, 0, MiB - 1, 2, inval},
    {sc::read_command, 0, half, 512, inval},
    {sc::read_command, 0, half - 1, 1, inval},
    {sc::read_command, 0, top, 2, inval},
    {sc::read_command, 0, top - 511, 512, inval},
    {sc::read_command, 0, 7, 3, 0},
    {sc::read_command, 0, MiB, 0, 0},
    {sc::read_command, 0xffff, 0, 512, inval},
    {sc::write_command, 0, 0, all_bits, hung_up},
    {sc::write_command, 0, top, all_bits, hung_up},
    {sc::write_command, 0, MiB, 1, nospc},
    {sc::write_command, 0, half, 512, nospc},
    {sc::write_command, 0, top - 99, 200, nospc},
    {sc::write_command, 0, 7, 3, 0},
    {sc::write_command, 0, MiB, 0, 0},
    {sc::write_command, 0x8000, 0, 512, inval},
    {sc::flush_command, 0, 0, all_bits, inval},
    {sc::flush_command, 0, top, 0, inval},
    {sc::trim_command, 0, 0, all_bits, inval},
    {sc::trim_command, 0, MiB - 1, 2, inval},
    {sc::trim_command, 0, half, 1, inval},
    {sc::trim_command, 0, top, 1, inval},
    {sc::trim_command, 0xfffe, 0, 1, inval},
    {sc::trim_command, 0, MiB, 0, 0},
    {sc::zeroes_command, 0, 0, all_bits, nospc},
    {sc::zeroes_command, 0, MiB, 1, nospc},
    {sc::zeroes_command, 0, half, all_bits, nospc},
    {sc::zeroes_command, 0, top, 1, nospc},
    {sc::zeroes_command, 0xffe0, 0, 1, inval},
    {sc::zeroes_command, 0, MiB, 0, 0},
    {cache_command, 0, 0, 512, 0},
    {cache_command, 0, top, all_bits, inval},
    {status_command, 0, 0, 512, inval},
    {status_command, 8, 0, all_bits, inval},
    {8, 0, 0, 512, inval},
    {0x7fff, 0xffff, top, all_bits, inval},
    {0xffff, 0, 0, 0, inval},
};

class HostileRequests : public hardening_test {};

TEST_F(HostileRequests, GetTheirErrorsAndKeepTheConnectionInStep) {
  serve({"--size", "1M", "--streams", "0"});
  for (const auto& r : requests) {
    std::ostringstream what;
    what << r.command << " of " << r.length << " at " << r.offset << ", flags " << r.flags;
    SCOPED_TRACE(what.str());
    const bool sends = r.command == sc::write_command && r.becomes != hung_up;
    sc script;
    script.flags().go();
    script.request(r.command, r.offset, r.length, r.flags, std::string(sends ? r.length : 0, 'x'));
    const auto heard = say(script.read(MiB, 0).disc());
    if (r.becomes == hung_up) {
      EXPECT_EQ(heard.answers.size(), 0U);
      continue;
    }
    ASSERT_EQ(heard.answers.size(), 2U);
    EXPECT_EQ(heard.answers[0].error, r.becomes);
    EXPECT_EQ(heard.answers[1].cookie, 2U);
    EXPECT_EQ(heard.answers[1].error, 0U);
  }
  expect_still_serving();
  server().signal(SIGTERM);
  const result ended = server().wait();
  EXPECT_TRUE(ended_with(1, ended));  // streams were spoilt
  expect_short_lines(ended.err);
}

struct large_payload {
  std::uint32_t bytes, becomes;
};

class HostilePayload : public hardening_test,
                       public ::testing::WithParamInterface<large_payload> {};

TEST_P(HostilePayload, IsWrittenSkippedOrCutOffInLittleMemory) {
  serve({"--streams", "0"});
  const auto before = most_resident();
  const auto [bytes, becomes] = GetParam();
  sc script;
  script.flags().go().request(sc::write_command, 0, bytes);
  const std::string piece(MiB, 'x');
  peer client = connect();
  client.send(script.script());
  if (becomes != hung_up) {
    for (std::uint64_t left = bytes; left > 0; left -= std::min<std::uint64_t>(left, MiB)) {
      client.send(std::string_view(piece).substr(0, left));
    }
    sc rest = script;
    client.send(rest.flush().disc().script().substr(script.script().size()));
    script = rest;
  }
  client.drain();
  const auto heard = script.parse(client.received());
  ASSERT_EQ(heard.answers.size(), becomes == hung_up ? 0U : 2U);
  if (becomes != hung_up) {
    EXPECT_EQ(heard.answers[0].error, becomes);
    EXPECT_EQ(heard.answers[1].error, becomes == 0 ? 0 : io);
  }
  EXPECT_LT(most_resident(), before + 24 * MiB);
  EXPECT_TRUE(ended_with(0, start_client("h.pwrite(b'hello', 0); h.shutdown()").wait()));
  EXPECT_TRUE(
      eventually([&] { return read_file(path("log")).find("commit 5\n") != std::string::npos; }));
  server().signal(SIGTERM);
  EXPECT_TRUE(ended_with(becomes == 0 ? 0 : 1, server().wait()));
}

INSTANTIATE_TEST_SUITE_P(Bytes, HostilePayload,
                         ::testing::Values(large_payload{32 << 20, 0},
                                           large_payload{(32 << 20) + 1, inval},
                                           large_payload{128 << 20, inval},
                                           large_payload{(128 << 20) + 1, hung_up},
                                           large_payload{all_bits, hung_up}),
                         [](const auto& each) { return std::to_string(each.param.bytes); });

/// The first request fills more than half of the window, so its reply waits for the second request.
TEST_F(HostileRequests, TwoRequestsWithOneCookieAreBothAnswered) {
  serve({"--order", "window", "--window", "1k"});
  sc script;
  script.flags().go();
  const std::string first(600, 'a'), second(600, 'b');
  script.raw(request_message(0, sc::write_command, 9, 600, 600) + second);
  script.raw(request_message(0, sc::write_command, 9, 0, 600) + first);
  const auto heard = say(script.disc());
  ASSERT_EQ(heard.answers.size(), 2U);
  for (const auto& a : heard.answers) {
    EXPECT_EQ(a.cookie, 9U);
    EXPECT_EQ(a.error, 0U);
  }
  EXPECT_TRUE(ended_with(0, server().wait()));
  EXPECT_TRUE(holds(path("out.raw"), first + second));
}

TEST_F(HostileRequests, GarbageAbortsTheStreamOfItsClientOnly) {
  serve({"--streams", "2"});
  process bystander = start_client(R"(
touch('connected')
wait_for('go')
h.pwrite(b'fine', 0)
h.shutdown()
)");
  wait_for("connected");
  const auto heard =
      say(sc().flags().go().write(0, "hello").raw(std::string(28, 'x')).write(5, "world"));
  EXPECT_EQ(heard.answers.size(), 1U);
  EXPECT_TRUE(eventually([&] { return read_file(path("log")) == "create\nopen 1\nabort\n"; }));
  write_file(path("go"), "");
  EXPECT_TRUE(ended_with(0, bystander.wait()));
  EXPECT_TRUE(ended_with(1, server().wait()));
  EXPECT_TRUE(holds(path("log"), "create\nopen 1\nabort\nopen 2\ncommit 4\ndestroy\n"));
}

/// The replies are larger than the buffer of the socket.
TEST_F(HostileRequests, ClientsMayLeaveBeforeTheirReplies) {
  serve();
  const auto before = descriptors();
  for (const std::uint32_t length : {0U, 512U, 1U << 20, 32U << 20}) {
    sc script;
    script.flags().go();
    for (int i = 0; i < 100; ++i) script.read(0, length);
    peer hostile = connect();
    hostile.offer(script.script());
    hostile.leave();
  }
  EXPECT_TRUE(ended_with(0, start({"nbdinfo", "--size", unix_uri}).wait()));
  EXPECT_TRUE(eventually([&] { return descriptors() == before; }));
  expect_unharmed();
}

/// poll() on a FIFO shows POLLHUP when a writer has opened and closed it. read() returns 0 only
/// while the FIFO has no writer.
TEST_F(HostileRequests, FifoIsNotOpenedUntilAClientWrites) {
  process server = start_listening({"--sink", "fifo:output"});
  peer reader = open_fifo(path("output"));
  EXPECT_TRUE(ended_with(0, start({"nbdinfo", "--list", unix_uri}).wait()));
  EXPECT_TRUE(ended_with(0, client("h.pread(512, 0); h.flush(); h.shutdown()")));
  pollfd ever_opened{reader.fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&ever_opened, 1, 0), 0);
  char nothing = 0;
  EXPECT_EQ(::read(reader.fd(), &nothing, 1), 0);
  EXPECT_TRUE(ended_with(0, client("h.pwrite(b'hello', 0); h.shutdown()")));
  EXPECT_EQ(reader.drain(), ending::end_of_file);
  EXPECT_EQ(reader.received(), "hello");
  EXPECT_TRUE(ended_with(0, server.wait()));
}

}  // namespace
}  // namespace nbdstream::test

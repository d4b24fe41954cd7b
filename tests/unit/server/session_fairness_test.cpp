// SPDX-License-Identifier: BSD-3-Clause
//
// A client whose requests never end, over a connection that never makes the server wait.
#include "at_work.hpp"

#include <cstring>

namespace nbdstream::test {
namespace {

/// Returns every read and takes every reply at once.
class eager_transport final : public io::transport {
 public:
  explicit eager_transport(connection_tape& tape) : tape_(tape) {}

  awaitable<io_result<std::size_t>> read_some(std::span<std::byte> into) override {
    while (!tape_.closed && unread() == 0) co_await tape_.changed.wait();
    if (tape_.closed) co_return error_code(asio::error::operation_aborted);
    const auto count = std::min(into.size(), unread());
    std::memcpy(into.data(), tape_.to_server.data() + tape_.sent, count);
    tape_.sent += count;
    co_return count;
  }
  awaitable<error_code> write(std::span<const std::byte> data) override {
    tape_.from_server.append(reinterpret_cast<const char*>(data.data()), data.size());
    co_return error_code{};
  }
  awaitable<peer_state> wait_hangup() override {
    while (!tape_.closed) co_await tape_.changed.wait();
    co_return peer_state::connected;
  }
  peer_state peer() noexcept override { return peer_state::connected; }
  awaitable<bool> all_delivered(io::clock::time_point) override { co_return true; }
  std::size_t unread() noexcept override { return tape_.to_server.size() - tape_.sent; }
  void close() noexcept override {
    tape_.closed = true;
    tape_.changed.notify_all();
  }

 private:
  connection_tape& tape_;
};

TEST(SessionFairness, ClientWithEndlessRequestsDoesNotBlockAnotherClient) {
  constexpr std::size_t many = 30'000;
  rig r(rig::windowed(1200));
  one_export host(r.exported);
  connection_tape busy(r.loop.get_executor());
  scripted_client talker;
  talker.flags().go();
  for (std::size_t i = 0; i < many; ++i) talker.zeroes(1 << 30, 4096);
  busy.to_server = talker.script();
  session served(r.loop.get_executor(), {}, std::make_unique<eager_transport>(busy), host, r.log);

  scripted_client other;
  other.flags().go().write(1 << 20, "x");
  auto& c = r.connect(other.script());
  c.tape.stays = true;
  r.go(c);
  r.settle();
  bool done = false;
  spawn(r.loop, served.run(), &done);
  const auto said = other.script().size();
  other.flush();
  c.tape.send(other.script().substr(said));
  const auto is_answered = [&] { return other.parse(c.tape.from_server).answers.size() == 2; };
  while (!is_answered()) {
    r.loop.restart();
    ASSERT_NE(r.loop.poll_one(), 0u) << "no coroutine can go on";
  }
  EXPECT_LT(talker.parse(busy.from_server).answers.size(), many / 10);
  served.close();
  r.settle();
  EXPECT_TRUE(done);
}

}  // namespace
}  // namespace nbdstream::test

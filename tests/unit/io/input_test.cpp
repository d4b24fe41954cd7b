// SPDX-License-Identifier: BSD-3-Clause
#include "io/input.hpp"

#include "loop.hpp"
#include "support/fake_transport.hpp"

#include <numeric>

namespace nbdstream::test {
namespace {

/// Takes pieces of these sizes, again and again, until the end.
awaitable<void> take(io::input& in, std::vector<std::size_t> sizes, std::string& got,
                     error_code& error) {
  for (std::size_t i = 0; !error; ++i) {
    const auto size = sizes[i % sizes.size()];
    error = co_await in.need(size);
    if (error) co_return;
    const auto piece = in.front(size);
    EXPECT_EQ(piece.size(), size);
    got.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    in.consume(piece.size());
  }
}

TEST(Input, ReturnsEveryByteInOrder) {
  const auto data = numbered(1'500'000);
  for (const auto& sizes : std::vector<std::vector<std::size_t>>{
           {28}, {1, 28, 4096}, {io::input::capacity}, {28, io::input::capacity, 100'000}}) {
    loop l;
    connection_tape tape(l.executor());
    tape.to_server = data;
    fake_transport transport(tape);
    io::input in(transport);
    std::string got;
    error_code error;
    l.spawn(take(in, sizes, got, error));
    l.finish();
    EXPECT_EQ(error, asio::error::eof);
    EXPECT_TRUE(
        got + std::string(reinterpret_cast<const char*>(in.front(~0UL).data()), in.size()) == data);
  }
}

TEST(Input, ReadsOfOneByteMakeAWhole) {
  loop l;
  connection_tape tape(l.executor());
  tape.to_server = numbered(300);
  tape.splits.resize(300);
  std::iota(tape.splits.begin(), tape.splits.end(), 1);
  fake_transport transport(tape);
  io::input in(transport);
  std::string got;
  error_code error;
  l.spawn(take(in, {28}, got, error));
  l.finish();
  EXPECT_EQ(got, numbered(300).substr(0, 280));
  EXPECT_EQ(in.size(), 20u) << "what is left of it";
}

TEST(Input, ReturnsTheErrorOfTheTransport) {
  loop l;
  connection_tape tape(l.executor());
  tape.to_server = numbered(300);
  tape.fail_at = 0;
  fake_transport transport(tape);
  io::input in(transport);
  std::string got;
  error_code error;
  l.spawn(take(in, {28}, got, error));
  l.finish();
  EXPECT_EQ(error.value(), ECONNRESET);
  EXPECT_EQ(in.size(), 0u);
}

}  // namespace
}  // namespace nbdstream::test

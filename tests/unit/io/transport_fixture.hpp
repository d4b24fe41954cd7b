// SPDX-License-Identifier: BSD-3-Clause
//
// What the tests of the transports have in common.
#ifndef NBDSTREAM_TESTS_UNIT_IO_TRANSPORT_FIXTURE_HPP
#define NBDSTREAM_TESTS_UNIT_IO_TRANSPORT_FIXTURE_HPP

#include "io/transport.hpp"
#include "loop.hpp"

#include <netinet/in.h>

namespace nbdstream::test {

struct transport_outcome {
  bool done = false;
  error_code error;
  std::size_t count = 0;
  bool answer = false;   ///< has hung up altogether, or everything was delivered
  bool sending = false;  ///< has stopped sending
};

inline awaitable<void> read_into(io::transport& t, std::string& into, transport_outcome& o) {
  const auto n = co_await t.read_some(std::as_writable_bytes(std::span(into)));
  if (n.has_error()) {
    o.error = n.error();
  } else {
    o.count = *n;
  }
  o.done = true;
}

inline awaitable<void> write_from(io::transport& t, std::string data, transport_outcome& o) {
  o.error = co_await t.write(std::as_bytes(std::span(data)));
  o.done = true;
}

inline awaitable<void> watch(io::transport& t, transport_outcome& o) {
  const auto peer = co_await t.wait_hangup();
  o.answer = peer == io::transport::peer_state::hung_up;
  o.sending = peer == io::transport::peer_state::sends_no_more;
  o.done = true;
}

struct pair {
  explicit pair(loop& l) {
    auto s = make_socketpair();
    peer = std::move(s.read);
    ours = s.write.get();
    transport = io::socket_transport(l.executor(), std::move(s.write));
  }
  io::unique_fd peer;
  int ours = -1;
  std::unique_ptr<io::transport> transport;
};

/// The first end is the client's.
inline ends make_tcp_pair() {
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof any;
  auto* const address = reinterpret_cast<sockaddr*>(&any);
  const io::unique_fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::bind(listener.get(), address, sizeof any), 0);
  EXPECT_EQ(::listen(listener.get(), 1), 0);
  EXPECT_EQ(::getsockname(listener.get(), address, &size), 0);
  io::unique_fd peer(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(peer.get(), address, sizeof any), 0);
  return {std::move(peer), io::unique_fd(::accept(listener.get(), nullptr, nullptr))};
}

}  // namespace nbdstream::test

#endif

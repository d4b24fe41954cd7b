// SPDX-License-Identifier: BSD-3-Clause
//
// TLS over a socket pair; the client is OpenSSL's own, driven by hand.
#ifndef NBDSTREAM_TESTS_UNIT_IO_TLS_FIXTURE_HPP
#define NBDSTREAM_TESTS_UNIT_IO_TLS_FIXTURE_HPP

#include "io/tls.hpp"
#include "loop.hpp"
#include "tls_client.hpp"

namespace nbdstream::test {

/// What is under way in a loop.
struct tls_outcome {
  bool done = false;
  error_code error;
};

inline awaitable<void> tls_secure(io::transport& t, tls_outcome& o) {
  o.error = co_await t.secure();
  o.done = true;
}

/// Reads until the end or an error.
inline awaitable<void> tls_read_all(io::transport& t, std::string& into, tls_outcome& o) {
  std::string buffer(100'000, '\0');
  for (;;) {
    const auto n = co_await t.read_some(std::as_writable_bytes(std::span(buffer)));
    if (n.has_error()) o.error = n.error();
    if (n.has_error() || *n == 0) break;
    into.append(buffer, 0, *n);
  }
  o.done = true;
}

inline awaitable<void> tls_write(io::transport& t, std::string data, tls_outcome& o) {
  o.error = co_await t.write(std::as_bytes(std::span(data)));
  o.done = true;
}

inline awaitable<void> tls_finish(io::transport& t, tls_outcome& o) {
  co_await t.finish();
  o.done = true;
}

class TlsTransport : public ::testing::Test {
 protected:
  explicit TlsTransport(const config::server_config& c = certificates()) { serve(c); }

  static config::server_config certificates() {
    config::server_config c;
    c.tls_certificates = test_certificates("good");
    return c;
  }
  void serve(const config::server_config& c) {
    context = io::load_tls(c);
    auto s = make_socketpair();
    peer = std::move(s.read);
    auto plain = io::socket_transport(l.executor(), std::move(s.write));
    server = io::tls_transport(l.executor(), std::move(plain), context);
  }

  /// Both sides of the handshake; whether they agreed.
  bool shake(tls_client& client) {
    tls_outcome o;
    l.spawn(tls_secure(*server, o));
    EXPECT_TRUE(l.until([&] {
      client.step();
      return o.done;
    }));
    // In TLS 1.3 the client is done before the server has judged it.
    EXPECT_TRUE(l.until([&] { return client.step(); }));
    error = o.error;
    return !o.error && client.agreed();
  }
  /// The handshake fails, and says why.
  void expect_refusal(tls_client& client, std::string_view part) {
    EXPECT_FALSE(shake(client));
    EXPECT_NE(error.message().find(part), std::string::npos) << error.message();
  }

  loop l;
  std::shared_ptr<const io::tls_context> context;
  io::unique_fd peer;
  std::unique_ptr<io::transport> server;
  error_code error;
};

}  // namespace nbdstream::test
#endif

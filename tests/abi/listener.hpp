// SPDX-License-Identifier: BSD-3-Clause
//
// The other side of the sinks that connect: a listening socket and what it accepts.
#ifndef NBDSTREAM_TESTS_ABI_LISTENER_HPP
#define NBDSTREAM_TESTS_ABI_LISTENER_HPP

#include <string>

#include "surroundings.hpp"

namespace sink_tests {

class listener {
 public:
  /// A Unix stream socket.
  static listener at(const std::string& path, int backlog = 8);
  /// A TCP socket on the loopback address of `family`, at a port that is free.
  static listener on_loopback(int family, int backlog = 8);

  /// The next connection; the test fails if none comes.
  [[nodiscard]] descriptor accept() const;
  [[nodiscard]] std::string port() const;
  void close() { socket_.reset(); }

 private:
  descriptor socket_;
};

/// The next result of recv: bytes, 0 at the end of the stream, or -errno. Waits for it.
int next_from(int socket);

}  // namespace sink_tests

#endif

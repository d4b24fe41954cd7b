// SPDX-License-Identifier: BSD-3-Clause
//
// What the programs of the benchmark share. They end at the first thing that goes wrong, with
// status 1 and a line on stderr: a figure of a run that failed is worth nothing.
#ifndef NBDSTREAM_BENCH_POSIX_HPP
#define NBDSTREAM_BENCH_POSIX_HPP

#include <sys/socket.h>
#include <sys/types.h>

#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace bench {

[[noreturn]] inline void fail(std::string_view what) {
  std::fprintf(stderr, "%.*s\n", static_cast<int>(what.size()), what.data());
  std::exit(1);
}

/// The result of a system call, which must not have failed.
inline ssize_t must(ssize_t result, const char* call) {
  if (result >= 0) return result;
  std::fprintf(stderr, "%s: %s\n", call, std::strerror(errno));
  std::exit(1);
}

/// The same for what returns a descriptor, or nothing.
inline int must_int(int result, const char* call) {
  return static_cast<int>(must(result, call));
}

inline std::uint64_t number(std::string_view text) {
  std::uint64_t n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (error != std::errc{} || end != text.data() + text.size()) fail("not a number");
  return n;
}

/// `fd`; or, if that is a listening socket, the first connection to it.
inline int connection(int fd) {
  int listening = 0;
  socklen_t size = sizeof listening;
  const int known = getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size);
  return known == 0 && listening != 0 ? must_int(accept(fd, nullptr, nullptr), "accept") : fd;
}

}  // namespace bench

#endif

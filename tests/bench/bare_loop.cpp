// SPDX-License-Identifier: BSD-3-Clause
//
// The limit: what moves the bytes when there is no NBD around them. It blocks, has one thread, and
// waits for nothing but the next call.
//
//   bare_loop splice [SIZE [ZEROES]]
//                            from the first connection to the listening socket on stdin, by splice,
//                            to stdout: a pipe, a file, or a socket, the last two through a pipe in
//                            between; then so many zeroes, as below
//   bare_loop copy [SIZE]    the same by read and write
//   bare_loop zeroes BYTES   zeroes to stdout, a pipe, by tee from a pipe that is full of them
//
// SIZE is the most that one call is asked to move; `-`: what is best.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "posix.hpp"

namespace {

using namespace bench;

constexpr int pipe_size = 1 << 20;  // the most that an unprivileged process may ask for
constexpr std::size_t splice_size = 1 << 20, copy_size = 256 << 10;

struct pipe_ends {
  int out, in;
};

pipe_ends make_pipe() {
  int ends[2];
  must(pipe2(ends, O_CLOEXEC), "pipe2");
  must(fcntl(ends[1], F_SETPIPE_SZ, pipe_size), "F_SETPIPE_SZ");
  return {ends[0], ends[1]};
}

std::size_t splice_some(int from, int to, std::size_t most) {
  return static_cast<std::size_t>(
      must(splice(from, nullptr, to, nullptr, most, SPLICE_F_MOVE), "splice"));
}

void to_pipe(int from, std::size_t size) {
  while (splice_some(from, STDOUT_FILENO, size) > 0) {
  }
}

void to_socket(int from, std::size_t size) {
  const auto between = make_pipe();
  while (auto left = splice_some(from, between.in, size)) {
    while (left > 0) left -= splice_some(between.out, STDOUT_FILENO, left);
  }
}

void copy(int from, std::size_t size) {
  std::vector<char> buffer(size);
  while (const auto n = must(read(from, buffer.data(), buffer.size()), "read")) {
    for (ssize_t at = 0; at < n;) {
      at += must(write(STDOUT_FILENO, &buffer[static_cast<std::size_t>(at)],
                       static_cast<std::size_t>(n - at)),
                 "write");
    }
  }
}

void zeroes(std::uint64_t count) {
  const auto primed = make_pipe();
  const std::vector<char> nothing(pipe_size);
  if (must(write(primed.in, nothing.data(), nothing.size()), "write") != pipe_size) {
    fail("the pipe takes less than its size");
  }
  while (count > 0) {
    const auto most = std::min<std::uint64_t>(count, pipe_size);
    count -= static_cast<std::uint64_t>(must(tee(primed.out, STDOUT_FILENO, most, 0), "tee"));
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view mode = argc > 1 ? argv[1] : "";
  if (mode == "zeroes" && argc == 3) {
    zeroes(number(argv[2]));
    return 0;
  }
  const bool copies = mode == "copy";
  if (argc > (copies ? 3 : 4) || (mode != "splice" && !copies)) {
    fail("usage: bare_loop splice [SIZE [ZEROES]], bare_loop copy [SIZE], bare_loop zeroes BYTES");
  }
  const bool chosen = argc > 2 && std::string_view{argv[2]} != "-";
  const std::size_t size = chosen ? number(argv[2]) : copies ? copy_size : splice_size;
  if (size == 0) fail("SIZE is not 0");
  struct stat status {};
  must(fstat(STDOUT_FILENO, &status), "fstat");
  const int from = connection(STDIN_FILENO);
  if (copies) {
    copy(from, size);
  } else if (S_ISFIFO(status.st_mode)) {
    to_pipe(from, size);
  } else {
    to_socket(from, size);
  }
  if (argc > 3) zeroes(number(argv[3]));
}

// SPDX-License-Identifier: BSD-3-Clause
//
// drain [FIFO]: the reader. Reads all of the named pipe FIFO, or of the first connection to the
// socket that listens on stdin, in pieces of 1 MiB, does nothing with it, and prints how many bytes
// there were.
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cinttypes>
#include <vector>

#include "posix.hpp"

namespace {

using namespace bench;

/// To open it without O_NONBLOCK would wait for a writer, and for ever if that has come and gone.
int open_pipe(const char* path) {
  const int fd = must_int(open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC), "open");
  pollfd first{fd, POLLIN, 0};
  must(poll(&first, 1, -1), "poll");  // before the first byte, to read would be to see the end
  must(fcntl(fd, F_SETFL, 0), "F_SETFL");
  return fd;
}

}  // namespace

int main(int argc, char** argv) {
  const int fd = argc > 1 ? open_pipe(argv[1]) : connection(STDIN_FILENO);
  std::vector<char> buffer(1 << 20);
  std::uint64_t count = 0;
  while (const auto n = must(read(fd, buffer.data(), buffer.size()), "read")) {
    count += static_cast<std::uint64_t>(n);
  }
  std::printf("%" PRIu64 "\n", count);
}

// SPDX-License-Identifier: BSD-3-Clause
//
// drain [PATH]: the reader. Reads all of PATH, or of stdin, which may be a listening socket, in
// pieces of 1 MiB, does nothing with it, and prints how many bytes there were.
#include <fcntl.h>
#include <unistd.h>

#include <cinttypes>
#include <vector>

#include "posix.hpp"

int main(int argc, char** argv) {
  using namespace bench;
  const int fd = argc > 1 ? must_int(open(argv[1], O_RDONLY | O_CLOEXEC), "open") : connection(0);
  std::vector<char> buffer(1 << 20);
  std::uint64_t count = 0;
  while (const auto n = must(read(fd, buffer.data(), buffer.size()), "read")) {
    count += static_cast<std::uint64_t>(n);
  }
  std::printf("%" PRIu64 "\n", count);
}

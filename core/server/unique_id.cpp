// SPDX-License-Identifier: BSD-3-Clause
#include "server/unique_id.hpp"

#include "stage/fingerprint.hpp"

#include <sys/random.h>

#include <array>
#include <cerrno>
#include <system_error>

namespace nbdstream {

std::string make_unique_id() {
  std::array<std::byte, 16> bits{};
  // So few bytes come whole, or not at all.
  ssize_t got = 0;
  do got = ::getrandom(bits.data(), bits.size(), 0);
  while (got < 0 && errno == EINTR);
  if (got < 0) throw std::system_error(errno, std::system_category(), "random bits for a stream");
  return stage::to_hex(bits);
}

}  // namespace nbdstream

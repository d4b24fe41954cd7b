// SPDX-License-Identifier: BSD-3-Clause
#include "restore/failure.hpp"

#include <cerrno>
#include <system_error>

namespace nbdstream::restore {

void fail_with_errno(const std::string& where, const std::string& what) {
  const int error = errno;
  throw failure(where + ": " + what + ": " + std::system_category().message(error));
}

}  // namespace nbdstream::restore

// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_IO_SPLICE_RESULT_HPP
#define NBDSTREAM_IO_SPLICE_RESULT_HPP

#include "io/error.hpp"

#include <cstdint>
#include <string>

namespace nbdstream::io {

/// What a splice from a socket did. No bytes, and nothing else: the end of what the socket sends.
struct splice_result {
  error_code error{};
  std::string why{};          ///< of an error, for the log; may be empty
  std::uint64_t moved = 0;    ///< bytes that have left the socket, also where they failed to arrive
  bool source_empty = false;  ///< the socket has nothing now: wait for it, and call again
  bool unsupported = false;   ///< it does not work between these two: read() and write()
};

}  // namespace nbdstream::io
#endif

// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SERVER_UNIQUE_ID_HPP
#define NBDSTREAM_SERVER_UNIQUE_ID_HPP

#include <string>

namespace nbdstream {

/// A name for a stream that no other stream of any process has: 128 random bits, as 32 digits of
/// 0-9 and a-f. Throws std::system_error where the system has no random numbers.
[[nodiscard]] std::string make_unique_id();

}  // namespace nbdstream
#endif

// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINKS_S3_LEASE_HPP
#define NBDSTREAM_SINKS_S3_LEASE_HPP

#include <ctime>
#include <optional>
#include <string>
#include <string_view>

#include "sign.hpp"

namespace nbdstream::s3 {

/// Credentials, and until when they are good; no time: until somebody changes them.
struct lease {
  credentials who;
  std::optional<std::time_t> expires;
};

/// The JSON in which a credential_process, a container's service and a machine's service give
/// credentials. `from`: who, for the message. Throws sink_error, which has nothing of the text in
/// it.
lease parse_lease(std::string_view json, const std::string& from);

/// "2026-11-27T10:15:30Z", also with a fraction and another offset; none: it is no time.
std::optional<std::time_t> parse_time(const std::string& text);

/// Overwrites a secret that is not needed any more.
void wipe(std::string& secret) noexcept;

}  // namespace nbdstream::s3
#endif

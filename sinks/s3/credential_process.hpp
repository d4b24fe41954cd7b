// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINKS_S3_CREDENTIAL_PROCESS_HPP
#define NBDSTREAM_SINKS_S3_CREDENTIAL_PROCESS_HPP

#include <chrono>
#include <functional>
#include <string>

#include "lease.hpp"

namespace nbdstream::s3 {

/// What a command of the user's (credential_process in ~/.aws/config) prints. It has a process
/// group of its own, which is killed where it takes longer than `most`, or is not wanted any more.
/// Throws sink_error.
lease run_credential_process(const std::string& command, const std::function<bool()>& stopped,
                             std::chrono::milliseconds most = std::chrono::seconds(60));

}  // namespace nbdstream::s3
#endif

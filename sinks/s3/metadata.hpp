// SPDX-License-Identifier: BSD-3-Clause
//
// Services beside a program that give it credentials: that of its container, or of its machine.
#ifndef NBDSTREAM_SINKS_S3_METADATA_HPP
#define NBDSTREAM_SINKS_S3_METADATA_HPP

#include <optional>
#include <string_view>

#include "errand.hpp"
#include "lease.hpp"

namespace nbdstream::s3 {

/// Of a container (ECS, EKS), as AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or ..._FULL_URI says. None:
/// neither is set. Throws sink_error.
std::optional<lease> from_container(errand& by);

/// Of a virtual machine (EC2), by version 2 of its service. None: AWS_EC2_METADATA_DISABLED. Throws
/// sink_error.
std::optional<lease> from_machine(errand& by);

/// Whether the service of a container may be there: what it gets, and gives, is secret.
bool is_trusted_service(std::string_view url) noexcept;

}  // namespace nbdstream::s3
#endif

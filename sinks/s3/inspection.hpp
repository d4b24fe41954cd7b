// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINKS_S3_INSPECTION_HPP
#define NBDSTREAM_SINKS_S3_INSPECTION_HPP

#include <optional>
#include <string>

#include "client.hpp"

namespace nbdstream::s3 {

/// Looks whether an object can be made, before anybody writes. Blocks for some seconds at most.
/// Throws sink_error where it cannot, or must not, be made; returns a warning where nobody knows.
std::optional<std::string> inspect(client& by);

/// What an abort has left on the server, or may have if it is not `over`, and the command that
/// removes it. `why`: it failed.
std::string describe_leftover(const client& by, const std::string& key,
                              const std::string& upload_id, const std::string& why, bool over);

/// The command that shows the multipart uploads of a key, to be put into a sentence.
std::string command_that_lists_uploads(const client& by, const std::string& key);

}  // namespace nbdstream::s3
#endif

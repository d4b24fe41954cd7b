// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_CONTROL_LOCAL_NAME_HPP
#define NBDSTREAM_CONTROL_LOCAL_NAME_HPP

#include <string_view>

namespace nbdstream::control {

/// Whether `authority` ("HOST" or "HOST:PORT") is a numeric address, localhost, or `ours`, the name
/// that the server was told to listen on. Any other name is one that somebody else's DNS has
/// pointed at us, so that the scripts of their page in a browser count us as their own server.
[[nodiscard]] bool is_local_name(std::string_view authority, std::string_view ours);

/// Whether a browser that says it shows a page of `origin` ("http://HOST:PORT", "null") asks for
/// something of that page's own server, which it calls `authority`.
[[nodiscard]] bool is_same_origin(std::string_view origin, std::string_view authority);

}  // namespace nbdstream::control
#endif

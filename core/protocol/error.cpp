// SPDX-License-Identifier: BSD-3-Clause
#include "protocol/error.hpp"

#include <cerrno>

namespace nbdstream::protocol {

wire_error to_wire_error(int error_number) noexcept {
  switch (error_number) {
    case 0: return wire_error::none;
    case EPERM:
    case EACCES:
    case EROFS: return wire_error::perm;
    case ENOMEM: return wire_error::nomem;
    case EINVAL: return wire_error::inval;
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return wire_error::nospc;
    case ESHUTDOWN: return wire_error::shutdown;
    default: return wire_error::io;
  }
}

std::string_view text_of(wire_error error) noexcept {
  switch (error) {
    case wire_error::none: return "";
    case wire_error::perm: return "this is not allowed";
    case wire_error::io: return "the stream has failed; the server's log says why";
    case wire_error::nomem: return "out of memory";
    case wire_error::inval: return "this cannot be done; the server's log says why";
    case wire_error::nospc: return "there is no room for this; the server's log says why";
    case wire_error::overflow: return "this is too large";
    case wire_error::notsup: return "this is not supported";
    case wire_error::shutdown: return "no further stream is served";
  }
  return "";
}

}  // namespace nbdstream::protocol

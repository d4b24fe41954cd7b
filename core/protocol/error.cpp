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

}  // namespace nbdstream::protocol

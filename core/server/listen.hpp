// SPDX-License-Identifier: BSD-3-Clause
//
// What the files listen*.cpp share. Internal to server/.
#ifndef NBDSTREAM_SERVER_LISTEN_HPP
#define NBDSTREAM_SERVER_LISTEN_HPP

#include "server/listener.hpp"

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include <optional>
#include <string>

namespace nbdstream {

/// Longer ones fit in no address: neither in ours, nor in that of a client.
inline constexpr std::size_t longest_unix_path = sizeof(sockaddr_un::sun_path) - 1;

/// Throws a listen_error about `what`.
[[noreturn]] void fail_to_listen(const std::string& what, int error_number);

[[nodiscard]] io::unique_fd open_socket(int family, const std::string& what);
void bind_and_listen(int fd, const sockaddr* address, socklen_t length, const std::string& what);

/// A socket in the file system, with the permissions `mode`, or else those that umask leaves. One
/// to which nobody listens is replaced; whatever else has the name is refused.
[[nodiscard]] listening_socket listen_unix(const std::string& path, std::optional<mode_t> mode);
/// The same in a fresh directory of its own, which only this user can enter: in $TMPDIR or /tmp, or
/// where the path would be too long there, in $XDG_RUNTIME_DIR, /run/user/UID or /tmp.
[[nodiscard]] listening_socket listen_private_unix(log::logger& log);
/// A name of Linux's own, without a place in the file system; without the '@'.
[[nodiscard]] listening_socket listen_abstract(const std::string& name);

}  // namespace nbdstream
#endif

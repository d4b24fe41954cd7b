// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SERVER_LISTENER_HPP
#define NBDSTREAM_SERVER_LISTENER_HPP

#include "config/config.hpp"
#include "io/condition.hpp"
#include "io/unique_fd.hpp"
#include "log/log.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace nbdstream {

/// An address that cannot be listened on; one line for the user.
class listen_error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A socket that listens, and what it leaves in the file system, which goes with it.
class listening_socket {
 public:
  listening_socket() = default;
  listening_socket(listening_socket&& other) noexcept { swap(other); }
  listening_socket& operator=(listening_socket&& other) noexcept {
    listening_socket(std::move(other)).swap(*this);
    return *this;
  }
  ~listening_socket();

  io::unique_fd fd;
  std::string unix_path;  ///< where it is one: for $unixsocket and the URI; "@NAME": abstract
  std::string host;       ///< TCP: numeric, IPv6 in brackets; vsock: the CID
  std::string port;       ///< TCP, vsock
  bool vsock = false;
  bool abstract = false;  ///< has no URI
  /// Device and inode of unix_path, where that is ours to remove.
  std::optional<std::pair<dev_t, ino_t>> ours;
  std::string remove_directory;  ///< the private directory around it

  /// What a URI says about TLS: that it is a must, as whom, and parameters of the query.
  struct security {
    bool tls = false;
    std::string user;
    std::vector<std::pair<std::string, std::string>> parameters;
  };
  /// The URI of an export here (NetworkBlockDevice/nbd, doc/uri.md). State: not abstract.
  [[nodiscard]] std::string uri(std::string_view export_name, const security& s) const;

 private:
  void swap(listening_socket& other) noexcept;
};

/// Binds an address and listens; a name may stand for several. A stale Unix socket, to which
/// nobody listens, is replaced; a new one has the permissions `unix_mode`, or what umask leaves.
/// Throws listen_error.
[[nodiscard]] std::vector<listening_socket> listen_on(
    const config::listen_address& address, log::logger& log,
    std::optional<std::uint32_t> unix_mode = std::nullopt);

/// The same for all that the configuration names, and what systemd passes; none with --single. The
/// command of --run can connect to one of them. Throws listen_error.
[[nodiscard]] std::vector<listening_socket> listen_as_configured(
    const config::server_config& config, log::logger& log);

/// Says where clients can connect: a line for each socket.
void announce(const std::vector<listening_socket>& sockets, const config::server_config& config,
              log::logger& log);

/// The sockets that systemd passes, sd_listen_fds(3), if any; they are taken out of the
/// environment. Throws listen_error where one of them does not listen.
[[nodiscard]] std::vector<listening_socket> activated_sockets();
/// Whether there are such sockets.
[[nodiscard]] bool socket_activated();

/// What a connection to a client needs of its socket, whatever that is: replies that wait for
/// nothing, and probes of an idle peer. None of this means anything to a Unix socket or a pipe,
/// which refuse or ignore it. There is no TCP_USER_TIMEOUT: it would also end a peer that lives,
/// but takes its replies slowly.
void tune_connection(int socket) noexcept;

/// Accepts connections on one listening socket.
class listener {
 public:
  using on_accept = std::function<void(io::unique_fd connection)>;

  /// The socket stays the caller's, and listens as long as it exists. `log` is borrowed.
  listener(const asio::any_io_executor& executor, const listening_socket& socket, log::logger& log,
           on_accept accepted);

  /// Until close(). What keeps it from accepting (no more descriptors, say) is one line in the log,
  /// again every minute; it goes on when that is over.
  [[nodiscard]] awaitable<void> run();
  void close();

 private:
  void succeeded();
  void failed(int error_number);

  asio::posix::stream_descriptor socket_;
  log::logger& log_;
  on_accept accepted_;
  io::condition closed_changed_;
  bool closed_ = false;
  int failures_ = 0;  ///< since the last connection
  int reported_ = 0;  ///< the error that was last logged; 0: none since it last worked
  io::clock::time_point next_report_{};
};

}  // namespace nbdstream
#endif

// SPDX-License-Identifier: BSD-3-Clause
#include "server/listener.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace nbdstream {
namespace {

/// How long to wait before accepting again when there are no descriptors left, or the like.
constexpr auto pause_after_error = std::chrono::milliseconds(100);
/// How often the same reason for that is logged.
constexpr auto report_interval = std::chrono::minutes(1);
/// How many peers in a row may be gone before they are accepted, until that counts as an error.
constexpr int accept_patience = 100;

/// How soon an idle peer whose machine has vanished is noticed: after 60 + 4 * 15 seconds, where
/// the system's own default is more than two hours.
constexpr std::pair<int, int> keep_alive[] = {
    {TCP_KEEPIDLE, 60}, {TCP_KEEPINTVL, 15}, {TCP_KEEPCNT, 4}};  // seconds, seconds, times

/// accept4(2), also where that is forbidden or unknown: in containers with an old profile.
io::unique_fd accept_from(int listening) {
  io::unique_fd connection(::accept4(listening, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (connection || (errno != EPERM && errno != ENOSYS)) return connection;
  connection.reset(::accept(listening, nullptr, nullptr));
  if (connection) {
    ::fcntl(connection.get(), F_SETFD, FD_CLOEXEC);
    ::fcntl(connection.get(), F_SETFL, ::fcntl(connection.get(), F_GETFL) | O_NONBLOCK);
  }
  return connection;
}

/// Errors of accept(2) that concern the one connection that would have been next.
bool is_about_one_peer(int error_number) {
  switch (error_number) {
    case ECONNABORTED:
    case EPROTO:
    case ENOPROTOOPT:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENONET: return true;
    default: return false;
  }
}

/// RFC 3986: all but what may stand in a path or a query as it is.
std::string percent_encode(std::string_view text) {
  constexpr std::string_view plain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";
  std::string out;
  for (const char c : text) {
    if (plain.find(c) != std::string_view::npos) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

}  // namespace

std::string listening_socket::uri(std::string_view export_name, const security& s) const {
  std::string out = s.tls ? "nbds" : "nbd";
  out += !unix_path.empty() ? "+unix://" : vsock ? "+vsock://" : "://";
  if (!s.user.empty()) out += percent_encode(s.user) + '@';
  if (unix_path.empty()) out += fmt::format("{}:{}", host, port);
  out += '/' + percent_encode(export_name);
  auto parameters = s.parameters;
  if (!unix_path.empty()) parameters.emplace(parameters.begin(), "socket", unix_path);
  char before = '?';
  for (const auto& [key, value] : parameters) {
    out += fmt::format("{}{}={}", std::exchange(before, '&'), key, percent_encode(value));
  }
  return out;
}

listening_socket::~listening_socket() {
  // Somebody may have removed it and bound another one there.
  struct stat s {};
  if (ours && ::lstat(unix_path.c_str(), &s) == 0 && ours == std::pair(s.st_dev, s.st_ino)) {
    ::unlink(unix_path.c_str());
  }
  if (!remove_directory.empty()) ::rmdir(remove_directory.c_str());
}

void listening_socket::swap(listening_socket& other) noexcept {
  std::swap(fd, other.fd);
  std::swap(unix_path, other.unix_path);
  std::swap(host, other.host);
  std::swap(port, other.port);
  std::swap(vsock, other.vsock);
  std::swap(abstract, other.abstract);
  std::swap(ours, other.ours);
  std::swap(remove_directory, other.remove_directory);
}

listener::listener(const asio::any_io_executor& executor, const listening_socket& socket,
                   log::logger& log, on_accept accepted)
    : socket_(executor), log_(log), accepted_(std::move(accepted)), closed_changed_(executor) {
  const int copy = ::fcntl(socket.fd.get(), F_DUPFD_CLOEXEC, 0);
  if (copy < 0) throw listen_error(fmt::format("listen: {}", from_errno().message()));
  socket_.assign(copy);
}

awaitable<void> listener::run() {
  while (!closed_) {
    auto connection = accept_from(socket_.native_handle());
    const int fault = connection ? 0 : errno;
    if (connection) {
      succeeded();
      accepted_(std::move(connection));
    } else if (fault == EAGAIN) {
      co_await socket_.async_wait(asio::posix::descriptor_base::wait_read,
                                  asio::as_tuple(asio::use_awaitable));
      continue;
    } else if (fault != EINTR && (!is_about_one_peer(fault) || ++failures_ > accept_patience)) {
      failed(fault);
      co_await closed_changed_.wait(io::clock::now() + pause_after_error);
      continue;
    }
    // However many are waiting, others have their turn in between.
    co_await asio::post(asio::use_awaitable);
  }
}

void listener::succeeded() {
  failures_ = 0;
  if (std::exchange(reported_, 0) != 0) log_.info("connections are accepted again");
}

void listener::failed(int error_number) {
  const auto now = io::clock::now();
  if (error_number == reported_ && now < next_report_) return;
  reported_ = error_number;
  next_report_ = now + report_interval;
  log_.error("no connection can be accepted: {}; clients wait until this is over{}",
             from_errno(error_number).message(),
             error_number == EMFILE ? ", or raise the limit of open files (ulimit -n)" : "");
}

void listener::close() {
  closed_ = true;
  error_code ignored;
  socket_.close(ignored);
  closed_changed_.notify_all();
}

void tune_connection(int socket) noexcept {
  const int on = 1;
  // Replies are small and wait for nothing.
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  for (const auto& [option, value] : keep_alive) {
    ::setsockopt(socket, IPPROTO_TCP, option, &value, sizeof value);
  }
  ::setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

}  // namespace nbdstream

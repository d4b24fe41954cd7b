// SPDX-License-Identifier: BSD-3-Clause
#include "write_end.hpp"

#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <array>
#include <charconv>
#include <nbdstream/sink.hpp>

namespace nbdstream::medium {
namespace {

using namespace std::chrono_literals;

constexpr auto longest_pause = 20ms;

int largest_pipe() noexcept {
  constexpr int usual = 1 << 20;
  const descriptor file(::open("/proc/sys/fs/pipe-max-size", O_RDONLY | O_CLOEXEC));
  std::array<char, 24> digits{};
  const ssize_t length = file ? ::read(file.get(), digits.data(), digits.size()) : -1;
  int value = usual;
  if (length > 0) std::from_chars(digits.data(), digits.data() + length, value);
  return value;
}

/// The error that the socket has in store for its next user.
int stored_error(int socket) noexcept {
  int error = 0;
  socklen_t size = sizeof error;
  return ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : 0;
}

[[noreturn]] void fail_peer_left(int error) {
  throw sink_error(error, "the peer closed the connection before it had taken the whole stream");
}

/// What was sent and not yet acknowledged (TCP, the end included) or read (Unix). Other kinds of
/// socket may not know; for them the shutdown has to do.
int unacknowledged(int socket) noexcept {
  int count = 0;
  return ::ioctl(socket, SIOCOUTQ, &count) == 0 ? count : 0;
}

bool is_connected(int socket) noexcept {
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  return ::getpeername(socket, reinterpret_cast<sockaddr*>(&peer), &size) == 0;
}

/// The same; throws sink_error where the peer will never take it.
int outstanding(int socket) {
  int count = unacknowledged(socket);
  // A connection that broke keeps its count for ever once someone has fetched its error. But where
  // the peer has closed too, the acknowledgement of our end is what ends the connection, and may
  // have come between the two questions: only a count that is still there tells of a break.
  const bool is_over = count > 0 && !is_connected(socket);
  if (is_over) count = unacknowledged(socket);
  // Asked last: a Unix peer that leaves takes the count with it.
  if (const int error = stored_error(socket); error != 0) fail_peer_left(error);
  if (is_over && count > 0) fail_peer_left(ENOTCONN);
  return count;
}

/// Closing a socket with input unread makes the kernel send a reset, which a peer that talked back
/// would take for an abort. Bounded, for a peer that never stops talking.
void discard_input(int socket) noexcept {
  std::array<char, 16384> rubbish;
  for (int rounds = 0; rounds < 64; ++rounds)
    if (::recv(socket, rubbish.data(), rubbish.size(), MSG_DONTWAIT) <= 0) return;
}

}  // namespace

void raise_pipe_size(int fd, const sink_host& host) {
  const int now = ::fcntl(fd, F_GETPIPE_SZ);
  const int largest = largest_pipe();
  if (now < 0 || now >= largest) return;
  // Less than the maximum may still be allowed: a user's pipes together have a limit as well.
  for (int size = largest; size > now; size /= 2)
    if (::fcntl(fd, F_SETPIPE_SZ, size) >= 0) return;
  host.log(NBDSTREAM_LOG_INFO,
           "the pipe keeps its " + std::to_string(now) + " bytes, and will be slower for it: all " +
               "pipes of this user together are at their limit (fs.pipe-user-pages-soft)");
}

void reset_when_closed(int socket, bool resets) noexcept {
  const linger at_once{resets ? 1 : 0, 0};
  (void)::setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

int unread(int pipe) {
  int bytes = 0;
  if (::ioctl(pipe, FIONREAD, &bytes) < 0)
    throw std::system_error(errno, std::system_category(), "cannot see what the reader has read");
  return bytes;
}

bool without_reader(int fd) noexcept {
  return (events_now(fd) & POLLERR) != 0;
}

void fail_reader_exchanged() {
  throw sink_error(EPIPE,
                   "a reader closed the FIFO in the middle of the stream, and another opened it: "
                   "neither has all of it");
}

write_end::write_end(descriptor fd, sharing shared) : fd_(std::move(fd)), shared_(shared) {
  struct stat status {};
  if (::fstat(fd_.get(), &status) < 0) throw std::system_error(errno, std::system_category());
  if (S_ISFIFO(status.st_mode)) kind_ = kind::pipe;
  if (S_ISSOCK(status.st_mode)) kind_ = kind::socket;
  if (is_tcp()) reset_when_closed(get(), true);
}

int write_end::finish(retry& wait) {
  switch (kind_) {
    case kind::pipe: return finish_pipe(wait);
    case kind::socket: return finish_socket(wait);
    case kind::other: break;
  }
  return 0;
}

int write_end::finish_pipe(retry& wait) {
  if (unread(get()) == 0) return 0;
  if (!without_reader(get())) return wait.later(longest_pause, get());
  // Asked again: the reader may have taken the rest just before it left.
  const int left = unread(get());
  if (left == 0) return 0;
  throw sink_error(EPIPE, "the reader left before it had read the last " + std::to_string(left) +
                              (left == 1 ? " byte" : " bytes"));
}

int write_end::finish_socket(retry& wait) {
  if (outstanding(get()) > 0) return wait.later(longest_pause, get());
  if (end_was_sent_) return 0;
  // Only now, when the bytes have arrived, is the end announced: while they are under way an abort
  // can still reset the connection before the peer has seen an end.
  if (is_tcp()) reset_when_closed(get(), false);
  if (::shutdown(get(), SHUT_WR) < 0) fail_peer_left(errno);
  end_was_sent_ = true;
  wait.start_over();
  return finish_socket(wait);
}

int write_end::close() noexcept {
  // Where others share the socket, the input is theirs, and our close resets nothing.
  if (kind_ == kind::socket && shared_ == sharing::none) discard_input(get());
  end_was_sent_ = false;
  return fd_.close();
}

void write_end::abandon() noexcept {
  if (is_tcp()) {
    reset_when_closed(get(), true);
    // Dissolving the association resets it even while another process has the socket open.
    sockaddr nobody{};
    nobody.sa_family = AF_UNSPEC;
    (void)::connect(get(), &nobody, sizeof nobody);
  }
  end_was_sent_ = false;
  fd_.reset();
}

bool write_end::is_tcp() const noexcept {
  int protocol = 0;
  socklen_t size = sizeof protocol;
  return kind_ == kind::socket &&
         ::getsockopt(get(), SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0 &&
         protocol == IPPROTO_TCP;
}

}  // namespace nbdstream::medium

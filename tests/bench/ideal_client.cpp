// SPDX-License-Identifier: BSD-3-Clause
//
// A client that is never what one waits for, as far as that is possible: blocking sends from one
// buffer that never changes, replies taken as they come, no copy and no allocation in the loop.
//
//   ideal_client unix:PATH|tcp:PORT MODE BYTES REQUEST [QUEUE [EXPORT]]
//
// MODE is `write` or `zeroes` (NBD: the export of that name or the default one, in order, requests
// of REQUEST bytes, at most QUEUE of them without an answer, then goodbye), `shuffled` (as `write`,
// each piece once, but anywhere: BYTES by REQUEST is a power of 2), or `raw`: the payload alone,
// without NBD. Exit status 0: everything was sent, and answered with success.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <vector>

#include "posix.hpp"

namespace {

using namespace bench;

constexpr std::uint64_t batch_bytes = 256 << 10;  // small requests are sent together, up to this
constexpr std::uint64_t most_queued = 128;        // the replies must fit the socket's buffer

int connect_to(std::string_view address) {
  if (address.starts_with("unix:")) {
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    address.remove_prefix(5);
    if (address.size() >= sizeof to.sun_path) fail("the path of the socket is too long");
    std::copy(address.begin(), address.end(), to.sun_path);
    const int fd = must_int(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
    must(connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to), "connect");
    return fd;
  }
  if (!address.starts_with("tcp:")) fail("the address is neither unix:PATH nor tcp:PORT");
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons(static_cast<std::uint16_t>(number(address.substr(4))));
  const int fd = must_int(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
  must(connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to), "connect");
  const int on = 1;
  must(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "TCP_NODELAY");
  return fd;
}

/// Sends all of `parts`, and spoils them.
void send_all(int fd, iovec* parts, std::size_t count) {
  while (count > 0) {
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = count;
    auto sent = static_cast<std::size_t>(must(sendmsg(fd, &message, MSG_NOSIGNAL), "sendmsg"));
    for (; count > 0 && sent >= parts->iov_len; ++parts, --count) sent -= parts->iov_len;
    if (count == 0) return;
    parts->iov_base = static_cast<char*>(parts->iov_base) + sent;
    parts->iov_len -= sent;
  }
}

void send_bytes(int fd, const void* data, std::size_t size) {
  iovec part{const_cast<void*>(data), size};
  send_all(fd, &part, 1);
}

void receive(int fd, void* to, std::size_t size) {
  if (size == 0) return;
  const auto n = must(recv(fd, to, size, MSG_WAITALL), "recv");
  if (static_cast<std::size_t>(n) != size) fail("the server hung up");
}

/// Big-endian numbers of the protocol.
template <class T>
void put(unsigned char* to, T value) {
  for (auto i = sizeof value; i-- > 0; value = static_cast<T>(value >> 4 >> 4)) {
    to[i] = static_cast<unsigned char>(value & 0xff);
  }
}

template <class T>
T get(const unsigned char* from) {
  T value = 0;
  for (std::size_t i = 0; i < sizeof value; ++i) value = static_cast<T>(value << 4 << 4 | from[i]);
  return value;
}

constexpr std::uint64_t option_magic = 0x49484156454f5054;  // IHAVEOPT
constexpr std::uint32_t request_magic = 0x25609513;
constexpr std::uint32_t reply_magic = 0x67446698;
constexpr std::uint16_t command_write = 1, command_disconnect = 2, command_zeroes = 6;

/// The fixed newstyle handshake, with NBD_OPT_GO for `name`.
void handshake(int fd, std::string_view name) {
  std::array<unsigned char, 1024> in{};
  std::vector<unsigned char> out(4 + 16 + 4 + name.size() + 2);
  receive(fd, in.data(), 18);
  if (get<std::uint64_t>(&in[8]) != option_magic || (in[17] & 1) == 0) fail("no newstyle server");
  put(&out[0], std::uint32_t{1});  // NBD_FLAG_C_FIXED_NEWSTYLE
  put(&out[4], option_magic);
  put(&out[12], std::uint32_t{7});  // NBD_OPT_GO: the name, and no questions
  put(&out[16], static_cast<std::uint32_t>(out.size() - 20));
  put(&out[20], static_cast<std::uint32_t>(name.size()));
  std::copy(name.begin(), name.end(), &out[24]);
  send_bytes(fd, out.data(), out.size());
  for (;;) {
    receive(fd, in.data(), 20);
    const auto type = get<std::uint32_t>(&in[12]);
    const auto size = get<std::uint32_t>(&in[16]);
    if (size > in.size()) fail("a strange reply to NBD_OPT_GO");
    receive(fd, in.data(), size);
    if (type == 1) return;  // NBD_REP_ACK
    if (type != 3) fail("the server refuses the export");
  }
}

class client {
 public:
  client(int fd, std::uint16_t type, bool shuffled, std::uint64_t request, std::uint64_t queue)
      : fd_(fd),
        type_(type),
        shuffled_(shuffled),
        request_(request),
        queue_(queue),
        payload_(type == command_write ? request : 0, '\x5a'),
        headers_(queue),
        parts_(2 * queue) {}

  void run(std::uint64_t count) {
    count_ = count;
    const auto batch = std::max<std::uint64_t>(1, batch_bytes / request_);
    while (answered_ < count) {
      const auto free = queue_ - (sent_ - answered_);
      send_requests(std::min({free, count - sent_, batch}));
      take_replies(sent_ - answered_ == queue_ || sent_ == count);
    }
    fill(headers_[0], command_disconnect, 0, 0);
    send_bytes(fd_, headers_[0].data(), headers_[0].size());
  }

 private:
  using header = std::array<unsigned char, 28>;

  void fill(header& h, std::uint16_t type, std::uint64_t offset, std::uint64_t length) const {
    put(&h[0], request_magic);
    put(&h[4], std::uint16_t{0});
    put(&h[6], type);
    put(&h[8], sent_);
    put(&h[16], offset);
    put(&h[24], static_cast<std::uint32_t>(length));
  }

  void send_requests(std::uint64_t n) {
    std::size_t parts = 0;
    for (std::uint64_t i = 0; i < n; ++i, ++sent_) {
      // To multiply by an odd number is a permutation of the numbers below a power of 2.
      const auto piece = shuffled_ ? sent_ * 0x9e3779b1 % count_ : sent_;
      fill(headers_[i], type_, piece * request_, request_);
      parts_[parts++] = {headers_[i].data(), headers_[i].size()};
      if (!payload_.empty()) parts_[parts++] = {payload_.data(), payload_.size()};
    }
    send_all(fd_, parts_.data(), parts);
  }

  void take_replies(bool wait) {
    const auto n = recv(fd_, &replies_[have_], replies_.size() - have_, wait ? 0 : MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (must(n, "recv") == 0) fail("the server hung up");
    have_ += static_cast<std::size_t>(n);
    std::size_t at = 0;
    for (; have_ - at >= 16; at += 16, ++answered_) {
      if (get<std::uint32_t>(&replies_[at]) != reply_magic) fail("no simple reply");
      if (get<std::uint32_t>(&replies_[at + 4]) != 0) fail("the server answered with an error");
    }
    std::copy(&replies_[at], &replies_[have_], replies_.data());  // less than one reply
    have_ -= at;
  }

  int fd_;
  std::uint16_t type_;
  bool shuffled_;
  std::uint64_t request_, queue_;
  std::uint64_t count_ = 0;
  std::uint64_t sent_ = 0, answered_ = 0;
  std::vector<char> payload_;
  std::vector<header> headers_;
  std::vector<iovec> parts_;
  std::array<unsigned char, 4096 + 1> replies_{};
  std::size_t have_ = 0;  // bytes at the beginning of replies_
};

void send_raw(int fd, std::uint64_t count, std::uint64_t request) {
  const std::vector<char> payload(request, '\x5a');
  for (; count > 0; --count) send_bytes(fd, payload.data(), payload.size());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5 || argc > 7) {
    fail(
        "usage: ideal_client unix:PATH|tcp:PORT write|shuffled|zeroes|raw BYTES REQUEST [QUEUE "
        "[EXPORT]]");
  }
  const std::string_view mode = argv[2];
  const auto bytes = number(argv[3]), request = number(argv[4]);
  const auto queue = argc > 5 ? number(argv[5]) : 1;
  const bool shuffled = mode == "shuffled";
  if (mode != "write" && !shuffled && mode != "zeroes" && mode != "raw") fail("no such mode");
  if (request == 0 || request > UINT32_MAX || bytes % request != 0) fail("not whole requests");
  if (queue == 0 || queue > most_queued) fail("QUEUE is 1 to 128");
  const int fd = connect_to(argv[1]);
  if (mode == "raw") {
    send_raw(fd, bytes / request, request);
    return 0;
  }
  handshake(fd, argc > 6 ? argv[6] : "");
  const auto type = mode == "zeroes" ? command_zeroes : command_write;
  client(fd, type, shuffled, request, queue).run(bytes / request);
}

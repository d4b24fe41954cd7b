// SPDX-License-Identifier: BSD-3-Clause
//
// The far end of a sink, in the test's own hands: the reader of a FIFO, or the peer of a socket.
#ifndef NBDSTREAM_TESTS_SUPPORT_PEER_HPP
#define NBDSTREAM_TESTS_SUPPORT_PEER_HPP

#include "support/deadline.hpp"
#include "support/file_descriptor.hpp"

#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <string_view>

namespace nbdstream::test {

/// How what one reads from came to its end.
enum class ending { end_of_file, reset };

/// Something to read from, at the pace that the test wants.
class peer {
 public:
  explicit peer(file_descriptor fd) : fd_(std::move(fd)) {}

  /// Exactly `count` bytes; an exception if they have not come by the deadline.
  std::string take(std::size_t count);

  /// Reads to the end, into received(); an exception if there is none by the deadline.
  ending drain();
  [[nodiscard]] const std::string& received() const noexcept { return received_; }

  /// Reads what has come until now, without waiting.
  void take_what_there_is();

  /// Sends all of `text`, at most `piece` bytes a call, and reads meanwhile what has come here and
  /// to `reader`, so that nobody waits for the test.
  void send(std::string_view text, peer* reader = nullptr,
            std::size_t piece = std::numeric_limits<std::size_t>::max());
  /// Sends what is taken at once, and returns how much that was.
  std::size_t offer(std::string_view text);

  /// Goes away, with whatever was not read.
  void leave() noexcept { fd_.reset(); }

  [[nodiscard]] int fd() const noexcept { return fd_.get(); }

 private:
  /// Adds up to `count` bytes to received(); 0 at the end.
  std::size_t read_some(std::size_t count, const deadline& until);

  file_descriptor fd_;
  std::string received_;
  bool reset_ = false;
};

/// Opens a FIFO for reading, without waiting for a writer.
[[nodiscard]] peer open_fifo(const std::filesystem::path& fifo);

/// A pipe; `write` is for a process's stdout.
struct pipe_pair {
  peer read;
  file_descriptor write;
};
[[nodiscard]] pipe_pair make_pipe();

/// A terminal; `slave` is for a process's stdout, `master` reads what arrives on the screen.
struct terminal {
  peer master;
  file_descriptor slave;
};
[[nodiscard]] terminal make_terminal();

/// A socket that listens; TCP on a free port of the loopback interface.
class listener {
 public:
  static listener tcp();
  static listener unix_socket(const std::filesystem::path& path);

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }

  /// The next connection; an exception if there is none by the deadline.
  peer accept();

  /// Whether nobody has connected.
  [[nodiscard]] bool untouched() const;

 private:
  listener(file_descriptor fd, std::uint16_t port) : fd_(std::move(fd)), port_(port) {}

  file_descriptor fd_;
  std::uint16_t port_;
};

/// A TCP port that nobody uses now.
[[nodiscard]] std::uint16_t free_port();

/// Connects to a port of the loopback interface, as a port scan does.
[[nodiscard]] peer connect_tcp(std::uint16_t port);
[[nodiscard]] peer connect_unix(const std::filesystem::path& path);

}  // namespace nbdstream::test
#endif

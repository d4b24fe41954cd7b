// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SERVER_PAYLOAD_HPP
#define NBDSTREAM_SERVER_PAYLOAD_HPP

#include "server/connection.hpp"
#include "server/open_stream.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace nbdstream {

/// The payload of the request that is being served, on its way from the connection to its place.
class payload {
 public:
  enum class result { arrived, connection_ended };

  /// Payloads of this size go from the socket to their place; for less a copy costs less than the
  /// calls.
  static constexpr std::uint64_t least_splice = 32 << 10;  // bytes
  /// So much of a payload must be there before its request may hold up others.
  static constexpr std::size_t head = 64 << 10;  // bytes

  /// `on` is borrowed.
  explicit payload(connection& on) noexcept : on_(on) {}

  /// A request with so many bytes of payload is served from now on.
  void expect(std::uint64_t bytes) noexcept { due_ = bytes; }
  /// Bytes of it that were not yet used.
  [[nodiscard]] std::uint64_t due() const noexcept {
    return due_ - (splicing_to_ ? splicing_to_->moving() : 0);
  }

  /// Reads until at least `count` bytes are in the connection's input, and no more than `most`.
  [[nodiscard]] awaitable<result> need(std::size_t count, std::size_t most = io::input::capacity);
  void use(std::size_t count) noexcept;

  /// Moves the payload to where the stream wants it; `error` is what the client is told.
  [[nodiscard]] awaitable<result> deliver(open_stream& to, const protocol::request& r,
                                          open_stream::admitted& a, protocol::wire_error& error);
  /// `r` is a BLOCK_STATUS: makes it one without a payload that asks for the same. `v` is what was
  /// wrong with it.
  [[nodiscard]] awaitable<result> apply_to_status(protocol::request& r, protocol::verdict& v);
  /// Drops the rest; `all_zero` becomes false where any byte of it is not zero.
  [[nodiscard]] awaitable<result> drop_rest(bool& all_zero);
  [[nodiscard]] awaitable<result> drop_rest();

  /// The last payload went from the socket to its place, so the next one may: what stands behind a
  /// header is not read.
  [[nodiscard]] bool leaves_unread() const noexcept { return unread_; }
  /// due() may count what has left the connection.
  [[nodiscard]] bool moves_unseen() const noexcept { return moves_unseen_; }

 private:
  [[nodiscard]] awaitable<result> wait_for(std::uint64_t left);
  [[nodiscard]] awaitable<result> receive();
  [[nodiscard]] awaitable<result> spill(open_stream& to, open_stream::admitted& a,
                                        protocol::wire_error& error);
  [[nodiscard]] error_code read_from_socket(stream::block& into, std::uint64_t& at);
  [[nodiscard]] error_code read_from_socket(std::size_t& count);
  [[nodiscard]] awaitable<result> splice(open_stream& to, const protocol::request& r,
                                         std::uint64_t& left, protocol::wire_error& error);

  connection& on_;
  std::uint64_t due_ = 0;
  bool unread_ = false;
  bool moves_unseen_ = false;
  std::vector<iovec> pieces_;                 ///< of read_from_socket()
  const open_stream* splicing_to_ = nullptr;  ///< while a splice is under way
};

}  // namespace nbdstream
#endif

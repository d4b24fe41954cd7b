// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_RESTORE_NBD_CONNECTION_HPP
#define NBDSTREAM_RESTORE_NBD_CONNECTION_HPP

#include "restore/stop_signals.hpp"

#include <libnbd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace nbdstream::restore {

/// One connection to an NBD server, with several writes in flight: a server at the other end of a
/// network would otherwise be idle for a round trip between any two of them. A server may do what
/// is in flight in any order, so a request that overlaps another one waits for that.
class nbd_connection {
 public:
  nbd_connection(std::string uri, const stop_signals& signals);
  nbd_connection(const nbd_connection&) = delete;
  nbd_connection& operator=(const nbd_connection&) = delete;

  [[nodiscard]] const std::string& uri() const noexcept { return uri_; }
  [[nodiscard]] nbd_handle* handle() const noexcept { return handle_.get(); }

  /// At most piece() bytes, which are copied.
  void write(std::uint64_t offset, std::span<const std::byte> data);
  /// Without sending them. State: the server can.
  void zero(std::uint64_t offset, std::uint64_t length);
  /// All that was written is on the server's disk, as far as it knows a flush.
  void flush();
  void read(std::uint64_t offset, std::span<std::byte> into);
  /// Says goodbye. All requests have been answered.
  void close();

  [[nodiscard]] static constexpr std::size_t piece() noexcept { return 1 << 20; }

 private:
  struct request {
    nbd_connection* owner = nullptr;
    std::vector<std::byte> data;
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    bool busy = false;
  };
  struct closer {
    void operator()(nbd_handle* h) const noexcept { ::nbd_close(h); }
  };

  static int on_done(void* which, int* error);
  [[nodiscard]] nbd_completion_callback completion(request& of) noexcept;
  request& take(std::uint64_t begin, std::uint64_t end);
  [[nodiscard]] bool overlaps(std::uint64_t begin, std::uint64_t end) const noexcept;
  void drain();
  void turn();
  void check(std::int64_t result) const;
  [[noreturn]] void fail() const;

  std::string uri_;
  const stop_signals& signals_;
  std::array<request, 16> requests_;
  int error_ = 0;                               ///< of a request that was answered
  std::unique_ptr<nbd_handle, closer> handle_;  ///< goes first: it may still fill requests_
};

}  // namespace nbdstream::restore
#endif

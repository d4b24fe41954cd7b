// SPDX-License-Identifier: BSD-3-Clause
//
// The sink `socket`: connects to a TCP or Unix socket for each stream.
#include <array>
#include <atomic>
#include <nbdstream/sink.hpp>

#include "../medium/connection.hpp"
#include "../medium/write_end.hpp"
#include "address.hpp"

namespace nbdstream::socket {
namespace {

class socket_sink {
 public:
  // Only the look-up of a name blocks. Connecting does not, but is part of the same call.
  static constexpr sink_description about{.name = "socket",
                                          .description = "Connect to a TCP or Unix socket",
                                          .blocking = NBDSTREAM_BLOCKING_OPEN};
  static constexpr std::array<nbdstream_option, 1> options{
      {{"address", NBDSTREAM_OPTION_STRING, NBDSTREAM_OPTION_REQUIRED | NBDSTREAM_OPTION_POSITIONAL,
        nullptr, "tcp://HOST:PORT, unix:///PATH or the path of a Unix socket"}}};

  explicit socket_sink(sink_host host)
      : text_(host.text("address").value_or("")), address_(parse_address(text_)) {}

  int open(const nbdstream_stream&) {
    if (candidates_.empty()) candidates_ = resolve(address_);
    int status = -ECONNREFUSED;
    while (next_ < candidates_.size()) {
      if (interrupted_) return -EINTR;
      status = connection_.advance(candidates_[next_], wait_);
      if (status == -EAGAIN) return status;
      if (status == 0) {
        end_ = medium::write_end(connection_.take());
        wait_.start_over();
        return 0;
      }
      ++next_;
    }
    throw sink_error(-status, text_ + ": cannot connect: " + medium::why_not_connected(-status));
  }

  int native_fd(std::uint32_t&) { return end_.get(); }

  int wait_for(nbdstream_wait& wait) {
    wait_.describe(wait);
    return 0;
  }

  int commit(std::uint64_t) {
    if (const int status = end_.finish(wait_); status != 0) return status;
    const int status = end_.close();
    if (status == 0) forget_stream();
    return status;
  }

  int abort() noexcept {
    connection_.abandon();
    end_.abandon();
    forget_stream();
    return 0;
  }

  /// Nothing interrupts getaddrinfo; whatever comes after it is left out.
  void interrupt() noexcept { interrupted_ = true; }

 private:
  void forget_stream() noexcept {
    // A name may lead elsewhere by the next stream.
    candidates_.clear();
    next_ = 0;
    interrupted_ = false;
    wait_.start_over();
  }

  std::string text_;
  address address_;
  std::vector<medium::socket_address> candidates_;
  std::size_t next_ = 0;
  std::atomic<bool> interrupted_ = false;
  medium::connection connection_;
  medium::write_end end_;
  medium::retry wait_;
};

}  // namespace
}  // namespace nbdstream::socket

NBDSTREAM_EXPORT_SINK(nbdstream::socket::socket_sink)

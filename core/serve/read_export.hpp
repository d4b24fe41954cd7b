// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SERVE_READ_EXPORT_HPP
#define NBDSTREAM_SERVE_READ_EXPORT_HPP

#include "io/condition.hpp"
#include "log/log.hpp"
#include "serve/reader_pool.hpp"
#include "server/served.hpp"
#include "source/source.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace nbdstream::serve {

/// A source as clients see it: an export that is only read, by as many of them as there are.
class read_export final : public served {
 public:
  struct settings {
    std::string name;
    std::string description;
    std::shared_ptr<source::source> from;
    bool several_clients = true;  ///< whether there can be another one beside the first
  };

  /// `log` is borrowed.
  read_export(const asio::any_io_executor& executor, settings s, log::logger& log);

  [[nodiscard]] const protocol::export_info& info() const noexcept override { return info_; }
  [[nodiscard]] std::unique_ptr<service> serve(connection& on) override;

  // What its services use.

  [[nodiscard]] const asio::any_io_executor& executor() const noexcept { return executor_; }
  [[nodiscard]] const std::shared_ptr<source::source>& from() const noexcept { return from_; }
  [[nodiscard]] reader_pool& readers() noexcept { return readers_; }
  /// Whether a read of so many bytes may begin now, beside those of all clients.
  [[nodiscard]] bool has_memory_for(std::uint64_t bytes) const noexcept;
  /// A read of so many bytes has begun, or ended. Each end notifies memory_freed().
  void read_begins(std::uint64_t bytes) noexcept { memory_ += bytes; }
  void read_ends(std::uint64_t bytes) {
    memory_ -= bytes;
    memory_freed_.notify_all();
  }
  [[nodiscard]] io::condition& memory_freed() noexcept { return memory_freed_; }
  /// Something could not be read: an error line, once for each line that differs from the last. Few
  /// in a time: which bytes are asked for is up to clients, who must not be able to flood the log.
  void report(const std::string& why);

  /// Waits no longer for reads that are under way: the server ends.
  void abandon();
  /// Asks them to end. That they fail then is not reported.
  void interrupt();
  /// Whether a read is under way, be it one that was given up: it uses what destructors take away.
  [[nodiscard]] bool reads() const noexcept { return readers_.busy(); }

 private:
  asio::any_io_executor executor_;
  std::shared_ptr<source::source> from_;
  protocol::export_info info_;
  reader_pool readers_;
  std::uint64_t memory_ = 0;  ///< bytes of the reads that are under way
  io::condition memory_freed_;
  void tell_of_the_rest();

  log::logger& log_;
  std::string reported_;
  io::clock::time_point period_end_;  ///< until then
  int lines_ = 0;                     ///< so many errors were reported,
  std::uint64_t left_out_ = 0;        ///< and so many not
  bool interrupted_ = false;
};

}  // namespace nbdstream::serve
#endif

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
  };

  /// `log` is borrowed.
  read_export(const asio::any_io_executor& executor, settings s, log::logger& log);

  [[nodiscard]] const protocol::export_info& info() const noexcept override { return info_; }
  [[nodiscard]] std::unique_ptr<service> serve(connection& on) override;

  // What its services use.

  [[nodiscard]] const asio::any_io_executor& executor() const noexcept { return executor_; }
  [[nodiscard]] const std::shared_ptr<source::source>& from() const noexcept { return from_; }
  [[nodiscard]] reader_pool& readers() noexcept { return readers_; }
  /// Bytes that all clients together read at the moment. Who changes it notifies memory_changed().
  [[nodiscard]] std::uint64_t& memory() noexcept { return memory_; }
  [[nodiscard]] io::condition& memory_changed() noexcept { return memory_changed_; }
  /// Something could not be read: an error line, once for each line that differs from the last.
  void report(const std::string& why);

  /// Waits no longer for reads that are under way: the server ends.
  void abandon() { readers_.abandon(); }
  /// Asks them to end.
  void interrupt() { from_->interrupt(); }

 private:
  asio::any_io_executor executor_;
  std::shared_ptr<source::source> from_;
  protocol::export_info info_;
  reader_pool readers_;
  std::uint64_t memory_ = 0;
  io::condition memory_changed_;
  log::logger& log_;
  std::string reported_;
};

}  // namespace nbdstream::serve
#endif

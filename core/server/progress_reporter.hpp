// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SERVER_PROGRESS_REPORTER_HPP
#define NBDSTREAM_SERVER_PROGRESS_REPORTER_HPP

#include "config/config.hpp"
#include "io/condition.hpp"
#include "log/bottom_lines.hpp"
#include "log/log.hpp"
#include "status/snapshot.hpp"

#include <cstdint>
#include <memory>
#include <optional>

namespace nbdstream {

/// What --progress shows: on a terminal, lines that are drawn again and again; elsewhere a line now
/// and then; with --progress=FD lines for programs. Writes nothing where it would have to wait.
class progress_reporter {
 public:
  /// `log` is borrowed; its lines go above those on a terminal from now on.
  progress_reporter(const config::server_config& config, log::logger& log);
  /// Leaves the cursor in the first column, if finish() has not.
  ~progress_reporter();
  progress_reporter(const progress_reporter&) = delete;
  progress_reporter& operator=(const progress_reporter&) = delete;

  /// How long to wait between two calls of report().
  [[nodiscard]] io::clock::duration interval() const noexcept;

  /// `foreground`: whether we may draw on our terminal, if that is where we write.
  void report(const status::process& p, bool foreground);
  /// The last call: all streams have ended.
  void finish(const status::process& p);

 private:
  void draw(const status::process& p);
  void write_lines(const status::process& p);
  void write_percent(const status::process& p);

  std::optional<int> percent_fd_;
  log::format log_format_;
  log::logger& log_;
  std::shared_ptr<log::bottom_lines> terminal_;  ///< null: not on one
  bool colour_ = false;
  std::optional<unsigned> shown_;  ///< the last line of --progress=FD,
  std::uint64_t ended_ = 0;        ///< and how many streams had ended then
  io::clock::time_point began_ = io::clock::now();
};

}  // namespace nbdstream
#endif

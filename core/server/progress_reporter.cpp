// SPDX-License-Identifier: BSD-3-Clause
#include "server/progress_reporter.hpp"

#include "log/output.hpp"
#include "log/progress.hpp"
#include "status/progress.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <fmt/format.h>

#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace nbdstream {
namespace {

constexpr auto drawing_interval = std::chrono::milliseconds(500);
constexpr auto line_interval = std::chrono::seconds(10);
constexpr auto percent_interval = std::chrono::milliseconds(250);

std::string_view variable(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody sets any
  return value == nullptr ? "" : value;
}

/// Whether lines can be drawn there again.
bool can_draw(int fd) {
  const auto terminal = variable("TERM");
  return ::isatty(fd) == 1 && !terminal.empty() && terminal != "dumb";
}

/// Asked for at each drawing, since it may change at any time. A terminal that does not know it
/// (a serial line) says 0.
status::screen_size size_of(int terminal) {
  status::screen_size size;
  winsize window{};
  if (::ioctl(terminal, TIOCGWINSZ, &window) != 0) return size;
  if (window.ws_col > 0) size.columns = window.ws_col;
  if (window.ws_row > 0) size.rows = window.ws_row;
  return size;
}

}  // namespace

progress_reporter::progress_reporter(const config::server_config& config, log::logger& log)
    : percent_fd_(config.progress_fd), log_format_(config.log_format), log_(log) {
  if (percent_fd_ || !can_draw(STDERR_FILENO)) return;
  colour_ = variable("NO_COLOR").empty();
  terminal_ = std::make_shared<log::bottom_lines>(STDERR_FILENO);
  log_.write_above(terminal_);
}

progress_reporter::~progress_reporter() {
  if (!terminal_) return;
  terminal_->erase();
  log_.write_above(nullptr);
}

io::clock::duration progress_reporter::interval() const noexcept {
  if (percent_fd_) return percent_interval;
  return terminal_ ? io::clock::duration(drawing_interval) : line_interval;
}

void progress_reporter::report(const status::process& p, bool foreground) {
  if (percent_fd_) {
    write_percent(p);
  } else if (!terminal_) {
    write_lines(p);
  } else if (foreground) {
    draw(p);
  } else {
    terminal_->leave();
  }
}

void progress_reporter::finish(const status::process& p) {
  if (percent_fd_) write_percent(p);
  if (terminal_) terminal_->erase();
}

void progress_reporter::draw(const status::process& p) {
  terminal_->draw(status::progress_lines(p, size_of(STDERR_FILENO), colour_));
}

void progress_reporter::write_lines(const status::process& p) {
  // The first call comes as the server begins.
  if (io::clock::now() - began_ < line_interval) return;
  for (const auto& e : p.exports) {
    const auto line = log::render(log_format_, log::level::info, status::progress_text(e));
    log::write_or_drop(STDERR_FILENO, line, std::chrono::milliseconds(0));
  }
}

/// As nbdcopy(1) does. Where a spooled stream begins to be sent, less is done than before.
void progress_reporter::write_percent(const status::process& p) {
  std::uint64_t ended = 0;
  for (const auto& e : p.exports) ended += e.committed + e.aborted;
  const auto percent = status::progress_percent(p);
  if (!percent || (shown_ && ended == ended_ && *percent <= *shown_) || percent == shown_) return;
  log::write_progress(*percent_fd_, fmt::format("{}/100", *percent), log_format_);
  shown_ = percent;
  ended_ = ended;
}

}  // namespace nbdstream

// SPDX-License-Identifier: BSD-3-Clause
#include "restore/progress.hpp"

#include "log/progress.hpp"

#include <unistd.h>

#include <fmt/format.h>

#include <utility>

namespace nbdstream::restore {
namespace {

constexpr auto interval = std::chrono::seconds(1);

}  // namespace

progress::progress(bool wanted, std::string what, std::optional<std::uint64_t> total)
    : terminal_(::isatty(STDERR_FILENO) == 1),
      wanted_(wanted || terminal_),
      what_(std::move(what)),
      total_(total),
      next_(std::chrono::steady_clock::now() + interval) {}

progress::~progress() {
  if (!open_line_) return;
  // Where it cannot be written nobody sees the line either.
  [[maybe_unused]] const auto ignored = ::write(STDERR_FILENO, "\n", 1);
}

void progress::add(std::uint64_t bytes) {
  done_ += bytes;
  if (!wanted_) return;
  const auto now = std::chrono::steady_clock::now();
  if (now < next_) return;
  next_ = now + interval;
  show();
}

void progress::finish() {
  if (wanted_) show();
}

void progress::show() {
  std::string text = fmt::format("nbdstream: {} bytes {}", done_, what_);
  if (total_ && *total_ > 0) {
    const auto percent = static_cast<double>(done_) / static_cast<double>(*total_) * 100;
    text = fmt::format("nbdstream: {} of {} bytes {} ({:.0f} %)", done_, *total_, what_, percent);
  }
  if (!terminal_) return log::write_progress(STDERR_FILENO, text, log::format::text);
  text.insert(0, "\r");
  text += "\x1b[K";  // to the end of the line
  open_line_ = ::write(STDERR_FILENO, text.data(), text.size()) > 0;
}

}  // namespace nbdstream::restore

// SPDX-License-Identifier: BSD-3-Clause
#include "write_behind.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <string>
#include <system_error>

#include "write_back.hpp"

namespace nbdstream::file {
namespace {

using namespace std::chrono_literals;

constexpr off64_t piece = 8 << 20;      // bytes
constexpr std::size_t most_pieces = 8;  // that the disk may have to write at a time

/// Between two looks at how far the writer is.
constexpr auto shortest_pause = 5ms;
constexpr auto longest_pause = 640ms;

}  // namespace

write_behind::write_behind(sink_host host, int fd)
    : host_(host),
      fd_(fd),
      file_(::open(("/proc/self/fd/" + std::to_string(fd)).c_str(), O_RDONLY | O_CLOEXEC)) {
  if (!file_) return;
  try {
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  } catch (const std::system_error&) {
    // A commit then has more to do.
  }
}

void write_behind::stop() noexcept {
  const std::lock_guard lock(mutex_);
  thread_.request_stop();
}

std::uint64_t write_behind::finish() noexcept {
  thread_ = {};
  return static_cast<std::uint64_t>(arrived_);
}

void write_behind::run(const std::stop_token& stop) {
  if (!can_write_back(file_.get())) return;
  std::chrono::milliseconds pause = shortest_pause;
  while (error_ == 0) {
    std::unique_lock lock(mutex_);
    (void)stopped_.wait_for(lock, stop, pause, [] { return false; });
    lock.unlock();
    if (stop.stop_requested()) return;
    pause = advance(stop) ? shortest_pause : std::min(2 * pause, longest_pause);
  }
}

/// How far the owner is.
off64_t write_behind::written(const std::stop_token& stop) {
  const std::lock_guard lock(mutex_);
  return stop.stop_requested() ? sent_ : ::lseek(fd_, 0, SEEK_CUR);
}

/// Sends what was written since; whether that was anything.
bool write_behind::advance(const std::stop_token& stop) {
  const off64_t end = written(stop);
  const bool any = end - sent_ >= piece;
  while (end - sent_ >= piece && !stop.stop_requested()) {
    // A hole may be of any length.
    const off64_t data = ::lseek(file_.get(), sent_, SEEK_DATA);
    const bool only_hole = data < 0 && errno == ENXIO;
    sent_ = only_hole ? end : std::clamp(data, sent_, end);
    if (end - sent_ < piece) break;
    if (!send_piece(stop)) break;
  }
  return any;
}

/// False once bytes did not reach the disk.
bool write_behind::send_piece(const std::stop_token& stop) {
  begin_write_back(file_.get(), sent_, piece);
  on_the_way_.push_back(sent_);
  sent_ += piece;
  if (on_the_way_.size() <= most_pieces || stop.stop_requested()) return true;
  const off64_t first = on_the_way_.front();
  on_the_way_.pop_front();
  if (const int status = finish_write_back(file_.get(), first, piece); status < 0) {
    error_ = -status;
    host_.wake();
    return false;
  }
  (void)::posix_fadvise(file_.get(), first, piece, POSIX_FADV_DONTNEED);
  arrived_ = first + piece;
  return true;
}

}  // namespace nbdstream::file

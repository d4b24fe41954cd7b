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

constexpr off64_t piece = 8 << 20;         // bytes
constexpr off64_t on_the_way = 8 * piece;  // bytes that the disk may have to write at a time

/// Between two looks at how far the writer is.
constexpr auto shortest_pause = 5ms;
constexpr auto longest_pause = 320ms;

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
  const int status = try_write_back(file_.get());
  if (status < 0) fail(-status);
  if (status != 0) return;
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
    if (const int status = send_piece(stop); status < 0) {
      fail(-status);
      break;
    }
  }
  return any;
}

/// 0 or -errno.
int write_behind::send_piece(const std::stop_token& stop) {
  int status = begin_write_back(file_.get(), sent_, piece);
  if (status < 0) return status;
  sent_ += piece;
  const off64_t most = sent_ - on_the_way - arrived_;
  if (most <= 0 || stop.stop_requested()) return 0;
  status = finish_write_back(file_.get(), arrived_, most);
  if (status < 0) return status;
  (void)::posix_fadvise(file_.get(), arrived_, most, POSIX_FADV_DONTNEED);
  arrived_ += most;
  return 0;
}

void write_behind::fail(int error) {
  error_ = error;
  host_.wake();
}

}  // namespace nbdstream::file

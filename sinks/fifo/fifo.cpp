// SPDX-License-Identifier: BSD-3-Clause
//
// The sink `fifo`: writes to a named pipe, which it makes where there is none, to a Unix socket or
// to a character device.
#include <fcntl.h>

#include <array>
#include <chrono>
#include <nbdstream/sink.hpp>

#include "../medium/connection.hpp"
#include "../medium/write_end.hpp"
#include "departure.hpp"
#include "named_pipe.hpp"

namespace nbdstream::fifo {
namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

/// A reader may take that long to come before we mention it.
constexpr auto told_after = 2s;

class fifo_sink {
 public:
  static constexpr sink_description about{
      .name = "fifo",
      .description = "Write to a named pipe (made if it does not exist) or to a Unix socket"};
  static constexpr std::array<nbdstream_option, 2> options{
      {{"path", NBDSTREAM_OPTION_STRING, NBDSTREAM_OPTION_REQUIRED | NBDSTREAM_OPTION_POSITIONAL,
        nullptr, "the named pipe, Unix socket or character device"},
       {"reader-timeout", NBDSTREAM_OPTION_DURATION, 0, nullptr,
        "how long the first write waits for a reader; without it, for ever"}}};

  explicit fifo_sink(sink_host host) : host_(host), path_(host.text("path").value_or("")) {
    if (path_.empty()) throw sink_error(EINVAL, "the path is empty: name a FIFO, or a new path");
    if (const auto limit = host.number("reader-timeout")) reader_timeout_ = clock::duration(*limit);
    if (look_at_or_make() == target::socket) (void)medium::unix_address(path_);
    if (::faccessat(AT_FDCWD, path_.c_str(), W_OK, AT_EACCESS) < 0)
      throw std::system_error(errno, std::system_category(), path_ + " cannot be written to");
  }

  int open(const nbdstream_stream&) {
    if (!first_try_) first_try_ = clock::now();
    const int result = try_to_open();
    if (result == -EAGAIN && time_left() <= 0ns) {
      throw sink_error(ETIMEDOUT, path_ + ": nobody came to read within the reader-timeout");
    }
    if (result == -EAGAIN && !waiting_told_ && clock::now() - *first_try_ >= told_after) {
      waiting_told_ = true;
      host_.log(NBDSTREAM_LOG_INFO, path_ + ": nobody reads it yet; the first write waits");
    }
    if (result == 0) wait_.start_over();
    return result;
  }

  int native_fd(std::uint32_t&) { return end_.get(); }

  int wait_for(nbdstream_wait& wait) {
    wait_.describe(wait);
    if (first_try_ && reader_timeout_ && !is_open_) {
      const std::int64_t left = std::max<std::int64_t>(time_left().count(), 0);
      wait.timeout_ns = wait.timeout_ns < 0 ? left : std::min(wait.timeout_ns, left);
    }
    return 0;
  }

  int commit(std::uint64_t) {
    if (const int status = end_.finish(wait_); status != 0) return status;
    part_from_readers();
    const int status = end_.close();
    if (status == 0) forget_stream();
    return status;
  }

  int abort() noexcept {
    if (end_) part_from_readers();
    end_.abandon();
    connection_.abandon();
    forget_stream();
    return 0;
  }

 private:
  target look_at_or_make() {
    const target found = look_at(path_);
    if (found != target::missing) return found;
    if (ours_.make(path_)) return target::pipe;
    // Somebody else was quicker, or the path is a link that leads nowhere.
    const target appeared = look_at(path_);
    if (appeared == target::missing)
      throw sink_error(EEXIST, path_ + " is a symbolic link to nothing: no FIFO is made there");
    return appeared;
  }

  int try_to_open() {
    if (!end_) {
      if (const int status = last_readers_.wait(path_, wait_); status != 0) return status;
      const target found = ours_ ? look_at_or_make() : look_at(path_);
      if (found == target::missing)
        throw sink_error(ENOENT, path_ + " has vanished, and it was not nbdstream that made it");
      const int status = found == target::socket ? connect() : open_path(found);
      if (status != 0) return status;
    }
    const int status = last_readers_.confirm(end_.get(), wait_);
    if (status == -ENXIO) end_ = medium::write_end();
    if (status == -ENXIO) return wait_.later(50ms);
    is_open_ = status == 0;
    // Not earlier: the capacity tells an old buffer from a new one.
    if (is_open_ && end_.is_pipe()) medium::raise_pipe_size(end_.get(), host_);
    if (is_open_ && end_.is_pipe() && !ours_) last_readers_.watch(end_.get());
    return status;
  }

  int open_path(target found) {
    // Without a reader this fails with ENXIO instead of waiting. Opened for reading as well it
    // would not, but then we would be a reader ourselves, and never learn that ours has left.
    medium::descriptor fd(::open(path_.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
    const bool come_back = errno == ENXIO || errno == ENOENT;
    if (!fd && found == target::pipe && come_back) return wait_.later(50ms);
    if (!fd) throw std::system_error(errno, std::system_category(), path_ + ": cannot be opened");
    struct stat status {};
    if (::fstat(fd.get(), &status) < 0) return -errno;
    // It may have been exchanged since we looked.
    (void)classify(path_, status);
    end_ = medium::write_end(std::move(fd));
    return 0;
  }

  int connect() {
    const int status = connection_.advance(medium::unix_address(path_), wait_);
    if (status == -EAGAIN) return status;
    if (status != 0)
      throw sink_error(-status, path_ + ": cannot connect: " + medium::why_not_connected(-status));
    end_ = medium::write_end(connection_.take());
    return 0;
  }

  /// Sees to it that whoever reads this stream never gets the next one as well. The write end must
  /// still be open.
  void part_from_readers() noexcept {
    if (end_.is_pipe() && !ours_.replace(path_, end_.get())) last_readers_.expect(end_.get());
  }

  void forget_stream() noexcept {
    first_try_.reset();
    waiting_told_ = false;
    is_open_ = false;
    wait_.start_over();
  }

  [[nodiscard]] clock::duration time_left() const {
    if (!reader_timeout_) return clock::duration::max();
    return *reader_timeout_ - (clock::now() - *first_try_);
  }

  sink_host host_;
  std::string path_;
  std::optional<clock::duration> reader_timeout_;
  std::optional<clock::time_point> first_try_;
  bool waiting_told_ = false;
  bool is_open_ = false;
  own_pipe ours_;
  departure last_readers_;
  medium::connection connection_;
  medium::write_end end_;
  medium::retry wait_;
};

}  // namespace
}  // namespace nbdstream::fifo

NBDSTREAM_EXPORT_SINK(nbdstream::fifo::fifo_sink)

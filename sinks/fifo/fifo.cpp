// SPDX-License-Identifier: BSD-3-Clause
//
// The sink `fifo`: writes to a named pipe, which it makes where there is none, to a Unix socket or
// to a character device.
#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <nbdstream/sink.hpp>

#include "../medium/connection.hpp"
#include "../medium/write_end.hpp"
#include "named_pipe.hpp"
#include "reader_exit.hpp"
#include "stream_lock.hpp"

namespace nbdstream::fifo {
namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

/// The first write may wait that long before we mention it.
constexpr auto told_after = 2s;
/// How long an abort waits for the reader to leave; the host's patience ends after 5 s.
constexpr auto longest_abort = 3s;

/// As faccessat() with the effective user, also in a sandbox that does not let it.
bool may_write(const std::string& path) noexcept {
  if (::faccessat(AT_FDCWD, path.c_str(), W_OK, AT_EACCESS) == 0) return true;
  return (errno == EPERM || errno == ENOSYS) && ::access(path.c_str(), W_OK) == 0;
}

/// A time that can be added to any time of day.
clock::duration bounded(std::int64_t nanoseconds) {
  constexpr clock::duration century = std::chrono::hours(24 * 365 * 100);
  return std::min(clock::duration(nanoseconds), century);
}

class fifo_sink {
 public:
  static constexpr sink_description about{
      .name = "fifo",
      .description = "Write to a named pipe (made if it does not exist) or to a Unix socket"};
  static constexpr std::array<nbdstream_option, 3> options{
      {{"path", NBDSTREAM_OPTION_STRING,
        NBDSTREAM_OPTION_REQUIRED | NBDSTREAM_OPTION_POSITIONAL | NBDSTREAM_OPTION_EXCLUSIVE_PATH,
        nullptr, "the named pipe, Unix socket or character device"},
       {"reader-timeout", NBDSTREAM_OPTION_DURATION, 0, nullptr,
        "how long the first write waits for a reader; by default without a limit"},
       {"close-timeout", NBDSTREAM_OPTION_DURATION, 0, "10s",
        "how long the end of a stream waits until the reader has closed the FIFO"}}};

  explicit fifo_sink(sink_host host)
      : host_(host),
        path_(host.text("path").value_or("")),
        close_timeout_(bounded(host.number("close-timeout").value_or(0))) {
    if (path_.empty()) throw sink_error(EINVAL, "the path is empty: name a FIFO, or a new path");
    if (const auto limit = host.number("reader-timeout")) reader_timeout_ = bounded(*limit);
    if (look_at_or_make() == target::socket) (void)medium::unix_address(path_);
    if (!may_write(path_))
      throw std::system_error(errno, std::system_category(), path_ + " cannot be written to");
  }

  int open(const nbdstream_stream&) {
    if (parts_by_) forget_stream();  // the host lost its patience with the last abort
    if (!first_try_) first_try_ = clock::now();
    const int result = try_to_open();
    if (result == -EAGAIN && deadline() && clock::now() >= *deadline())
      throw sink_error(ETIMEDOUT, path_ + ": the reader-timeout is over: " + obstacle_);
    if (result == -EAGAIN && !told_ && clock::now() - *first_try_ >= told_after) {
      told_ = true;
      host_.log(NBDSTREAM_LOG_INFO, path_ + ": " + obstacle_ + "; the first write waits");
    }
    if (result == 0) wait_.start_over();
    return result;
  }

  int native_fd(std::uint32_t&) { return end_.get(); }

  int wait_for(nbdstream_wait& wait) {
    wait_.describe(wait);
    if (const auto until = deadline()) {
      const std::int64_t left = std::max<std::int64_t>((*until - clock::now()).count(), 0);
      wait.timeout_ns = wait.timeout_ns < 0 ? left : std::min(wait.timeout_ns, left);
    }
    return 0;
  }

  int commit(std::uint64_t) {
    if (end_) {
      if (const int status = end_.finish(wait_); status != 0) return status;
      if (end_.is_pipe() && last_readers_.reader_was_exchanged()) medium::fail_reader_exchanged();
      part_from_readers(close_timeout_);
      if (const int status = end_.close(); status != 0) return status;
    }
    return see_readers_off();
  }

  int abort() {
    connection_.abandon();
    if (end_) {
      part_from_readers(std::min<clock::duration>(close_timeout_, longest_abort));
      end_.abandon();
      aborts_ = true;
    }
    if (aborts_) return see_readers_off();
    // There was no stream yet, or it was on the point of being committed, and there is no time.
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
      obstacle_ = "the reader of the last stream still has it open";
      if (const int status = last_readers_.wait(path_, wait_); status != 0) return status;
      const target found = ours_ ? look_at_or_make() : look_at(path_);
      if (found == target::missing)
        throw sink_error(ENOENT, path_ + " has vanished, and nbdstream did not make it");
      if (found == target::pipe && !is_our_turn()) return wait_.later(50ms);
      obstacle_ = "it has no reader";
      const int status = found == target::socket ? connect() : open_path(found);
      if (status != 0) return status;
    }
    const int status = last_readers_.confirm(end_.get(), wait_);
    if (status == -ENXIO) end_ = medium::write_end();
    if (status == -ENXIO) return wait_.later(50ms);
    is_open_ = status == 0;
    // Not earlier: the capacity tells an old buffer from a new one.
    if (is_open_ && end_.is_pipe()) medium::raise_pipe_size(end_.get(), host_);
    if (is_open_ && end_.is_pipe()) last_readers_.watch(end_.get());
    return status;
  }

  /// Before the FIFO is opened, which its readers would notice.
  bool is_our_turn() {
    struct stat fifo {};
    if (::stat(path_.c_str(), &fifo) < 0) return true;  // opening it will tell
    if (lock_.take(fifo)) return true;
    obstacle_ = lock_.holder() + " writes a stream to it";
    return false;
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
    if (classify(path_, status) == target::pipe && !is_free(fd.get(), status))
      return wait_.later(50ms);
    end_ = medium::write_end(std::move(fd));
    return 0;
  }

  /// Whether no other stream is in the FIFO that was opened. Where one is, our end does no harm to
  /// its reader.
  bool is_free(int fd, const struct stat& status) {
    if (!lock_.is_of(status)) return false;
    obstacle_ = "another process writes a stream to it";
    // The only lock that is seen in another network namespace, that is, from another container.
    if (::flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK) return false;
    obstacle_ = "its reader has not read to the end of another stream";
    return medium::unread(fd) == 0;
  }

  int connect() {
    const int status = connection_.advance(medium::unix_address(path_), wait_);
    if (status == -EAGAIN) return status;
    if (status != 0)
      throw sink_error(-status, path_ + ": cannot connect: " + medium::why_not_connected(-status));
    end_ = medium::write_end(connection_.take());
    return 0;
  }

  /// Sees to it that whoever reads this stream never gets the next one as well, ours or that of
  /// another process. The write end must still be open.
  void part_from_readers(clock::duration patience) noexcept {
    parts_by_ = clock::now() + patience;
    if (end_.is_pipe() && !ours_.replace(path_, end_.get())) last_readers_.expect(end_.get());
  }

  /// After it was closed.
  int see_readers_off() {
    const int status = last_readers_.wait(path_, wait_);
    if (status == -EAGAIN && parts_by_ && clock::now() < *parts_by_) return status;
    if (status == -EAGAIN && close_timeout_ > 0ns)
      host_.log(NBDSTREAM_LOG_WARNING,
                path_ +
                    ": the reader has not closed it since the end of the stream; if it continues "
                    "to read, it takes the next stream for a part of this one");
    forget_stream();
    return 0;
  }

  void forget_stream() noexcept {
    first_try_.reset();
    parts_by_.reset();
    told_ = false;
    is_open_ = false;
    aborts_ = false;
    wait_.start_over();
    lock_.release();
  }

  /// Of the wait for a reader, or for its leaving.
  [[nodiscard]] std::optional<clock::time_point> deadline() const {
    if (parts_by_) return parts_by_;
    if (!first_try_ || !reader_timeout_ || is_open_) return {};
    return *first_try_ + *reader_timeout_;
  }

  sink_host host_;
  std::string path_;
  std::optional<clock::duration> reader_timeout_;
  clock::duration close_timeout_;
  std::optional<clock::time_point> first_try_;
  std::optional<clock::time_point> parts_by_;  // once the stream has ended
  std::string obstacle_;                       // that opening meets
  bool told_ = false;
  bool is_open_ = false;
  bool aborts_ = false;
  stream_lock lock_;
  own_pipe ours_;
  reader_exit last_readers_;
  medium::connection connection_;
  medium::write_end end_;
  medium::retry wait_;
};

}  // namespace
}  // namespace nbdstream::fifo

NBDSTREAM_EXPORT_SINK(nbdstream::fifo::fifo_sink)

// SPDX-License-Identifier: BSD-3-Clause
//
// The sink `stdout`: the stream goes to standard output, and nothing else does.
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <array>
#include <cstdio>
#include <nbdstream/sink.hpp>

#include "../medium/null_device.hpp"
#include "../medium/reader_watch.hpp"
#include "../medium/write_end.hpp"

namespace nbdstream::standard_output {
namespace {

using medium::descriptor;
using medium::write_end;

/// Whether nothing can be written there because it is closed: then the host has put /dev/null in
/// its place, for reading only.
bool is_closed(int flags) noexcept {
  return flags < 0 || ((flags & O_ACCMODE) == O_RDONLY && medium::is_null_device(STDOUT_FILENO));
}

/// Takes standard output away from everyone else: what any of us, or the command of --run, prints
/// from now on goes to standard error, and not into the stream.
descriptor take_stdout() {
  const int flags = ::fcntl(STDOUT_FILENO, F_GETFL);
  if (is_closed(flags))
    throw sink_error(EBADF, "standard output is closed: redirect it to somewhere");
  if ((flags & O_ACCMODE) == O_RDONLY)
    throw sink_error(EBADF, "standard output is open for reading only: redirect it with > or |");
  descriptor taken(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3));
  if (!taken)
    throw std::system_error(errno, std::system_category(), "cannot set standard output aside");
  if (::dup2(STDERR_FILENO, STDOUT_FILENO) >= 0) return taken;
  // Without a standard error, what is printed goes nowhere.
  const descriptor nowhere(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  if (!nowhere || ::dup2(nowhere.get(), STDOUT_FILENO) < 0)
    throw std::system_error(errno, std::system_category(), "cannot redirect standard output");
  return taken;
}

/// The same pipe with flags of its own; nothing where that is not allowed or nobody reads it.
descriptor reopen_pipe(int fd) noexcept {
  std::array<char, 32> name{};
  std::snprintf(name.data(), name.size(), "/proc/self/fd/%d", fd);
  return descriptor(::open(name.data(), O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
}

/// Whether a pipe is a FIFO of a file system.
bool is_named(int fd) noexcept {
  struct statfs system {};
  return ::fstatfs(fd, &system) == 0 && system.f_type != PIPEFS_MAGIC;
}

class stdout_sink {
 public:
  static constexpr sink_description about{.name = "stdout",
                                          .description = "Write to standard output",
                                          .flags = NBDSTREAM_SINK_USES_STDOUT};

  explicit stdout_sink(sink_host host) : host_(host), unused_(take_stdout()) {}

  int open(const nbdstream_stream&) {
    if (!unused_) throw sink_error(EBADF, "standard output carries one stream");
    write_end shared(std::move(unused_), write_end::sharing::with_other_processes);
    if (!shared.is_pipe()) {
      end_ = std::move(shared);
      return 0;
    }
    medium::raise_pipe_size(shared.get(), host_);
    descriptor own = reopen_pipe(shared.get());
    fd_flags_ = own ? 0 : NBDSTREAM_FD_SHARED;
    end_ = own ? write_end(std::move(own)) : std::move(shared);
    // Who reads an anonymous pipe may open it once more, as /dev/stdin; another reader cannot come.
    if (is_named(end_.get())) watch_.begin(end_.get());
    return 0;
  }

  int native_fd(std::uint32_t& fd_flags) {
    fd_flags |= fd_flags_;
    return end_.get();
  }

  int wait_for(nbdstream_wait& wait) {
    wait_.describe(wait);
    return 0;
  }

  int commit(std::uint64_t) {
    if (const int status = end_.finish(wait_); status != 0) return status;
    if (watch_.reader_was_exchanged()) medium::fail_reader_exchanged();
    return end_.close();
  }

  int abort() noexcept {
    unused_.reset();
    end_.abandon();
    return 0;
  }

 private:
  sink_host host_;
  descriptor unused_;  // standard output, until the stream begins
  write_end end_;
  medium::reader_watch watch_;  // of a FIFO
  std::uint32_t fd_flags_ = NBDSTREAM_FD_SHARED;
  medium::retry wait_;
};

}  // namespace
}  // namespace nbdstream::standard_output

NBDSTREAM_EXPORT_SINK(nbdstream::standard_output::stdout_sink)

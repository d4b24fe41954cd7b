// SPDX-License-Identifier: BSD-3-Clause
#include "restore/input.hpp"

#include "config/temporary_directory.hpp"
#include "config/text.hpp"
#include "restore/failure.hpp"
#include "restore/local_disk.hpp"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

namespace nbdstream::restore {
namespace {

constexpr std::size_t piece = 1 << 20;  // bytes

io::unique_fd make_unnamed_file() {
  std::string path = config::temporary_directory() + "/nbdstream-XXXXXX";
  io::unique_fd fd(::mkostemp(path.data(), O_CLOEXEC));
  if (!fd) fail_with_errno(config::temporary_directory(), "a temporary file cannot be made");
  ::unlink(path.c_str());
  return fd;
}

}  // namespace

input::input(const std::string& path, const stop_signals& signals)
    : name_(path == "-" ? "standard input" : config::printable(path)), signals_(signals) {
  fd_ = io::unique_fd(path == "-" ? ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
                                  : ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!fd_) fail_with_errno(name_, "cannot be opened");
  if (path == "-" && ::isatty(STDIN_FILENO) == 1)
    throw failure(name_ + " is a terminal: name a file, or redirect one");
  struct stat status {};
  if (::fstat(fd_.get(), &status) < 0) fail_with_errno(name_, "cannot be looked at");
  if (S_ISDIR(status.st_mode)) throw failure(name_ + " is a directory");
  const auto at = ::lseek(fd_.get(), 0, SEEK_CUR);
  seekable_ = (S_ISREG(status.st_mode) || S_ISBLK(status.st_mode)) && at >= 0;
  if (seekable_) begin_ = static_cast<std::uint64_t>(at);
}

/// One that is not ready is waited for, in a way that a signal can end.
std::size_t input::read_some(std::uint64_t at, std::span<std::byte> into) const {
  for (;;) {
    if (seekable_) {
      signals_.check();
    } else {
      (void)signals_.wait(fd_.get(), POLLIN);
    }
    const auto count =
        seekable_ ? ::pread(fd_.get(), into.data(), into.size(), static_cast<off_t>(begin_ + at))
                  : ::read(fd_.get(), into.data(), into.size());
    if (count >= 0) return static_cast<std::size_t>(count);
    if (errno != EINTR && errno != EAGAIN) fail_with_errno(name_, "reading failed");
  }
}

std::size_t input::read(std::span<std::byte> into) {
  const auto count = read_some(position_, into);
  position_ += count;
  return count;
}

std::uint64_t input::skip(std::uint64_t count) {
  if (seekable_) {
    const auto end = ::lseek(fd_.get(), 0, SEEK_END);
    const auto left =
        std::max<std::uint64_t>(end < 0 ? 0 : static_cast<std::uint64_t>(end), begin_ + position_) -
        begin_ - position_;
    count = std::min(count, left);
    position_ += count;
    return count;
  }
  std::vector<std::byte> thrown_away(std::min<std::uint64_t>(count, piece));
  std::uint64_t done = 0;
  while (done < count) {
    const auto wanted = std::min<std::uint64_t>(count - done, thrown_away.size());
    const auto got = read(std::span(thrown_away).first(wanted));
    if (got == 0) break;
    done += got;
  }
  return done;
}

void input::read_at(std::uint64_t at, std::span<std::byte> into) const {
  while (!into.empty()) {
    const auto count = read_some(at, into);
    if (count == 0) throw failure(name_ + " has become shorter while it was read");
    into = into.subspan(count);
    at += count;
  }
}

void input::keep_in_file() {
  if (seekable_) return;
  auto file = make_unnamed_file();
  std::vector<std::byte> buffer(piece);
  const std::string what = "the temporary file in " + config::temporary_directory();
  for (std::uint64_t at = 0;;) {
    const auto count = read(buffer);
    if (count == 0) break;
    write_all(file.get(), at, std::span(buffer).first(count), what);
    at += count;
  }
  fd_ = std::move(file);
  seekable_ = true;
  begin_ = position_ = 0;
}

std::vector<input> open_inputs(const std::vector<std::string>& paths, const stop_signals& signals) {
  std::vector<input> inputs;
  if (std::count(paths.begin(), paths.end(), "-") > 1)
    throw failure("standard input (-) can be read only once");
  inputs.reserve(paths.size());
  for (const auto& path : paths) inputs.emplace_back(path, signals);
  if (paths.empty()) inputs.emplace_back("-", signals);
  return inputs;
}

}  // namespace nbdstream::restore

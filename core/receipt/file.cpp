// SPDX-License-Identifier: BSD-3-Clause
#include "receipt/file.hpp"

#include "io/own_file.hpp"
#include "io/spill_file.hpp"
#include "receipt/format.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <utility>

namespace nbdstream::receipt {
namespace {

/// What a sink adds to a receipt is less than this (64 facts of 1088 bytes, each of which may
/// become an escape of 6): written before the commit, so that a disk which has no room for it is
/// found to be full before the commit.
constexpr std::uint64_t room_for_results = 512 << 10;  // bytes

std::int64_t result_of(int call) noexcept {
  return call < 0 ? -errno : 0;
}

}  // namespace

file::file(std::string path) : path_(std::move(path)), partial_(path_ + ".partial") {}

std::int64_t file::clear(bool& found_partial) {
  const auto cleared = clear_partial(found_partial);
  if (cleared < 0) return cleared;
  if (abandoned_) return -ECANCELED;  // by now FILE may be the next stream's
  const auto replaceable = look_for_another_file();
  if (replaceable < 0) return replaceable;
  if (::unlink(path_.c_str()) == 0) return sync_directory();
  return errno == ENOENT ? 0 : -errno;
}

std::int64_t file::look_for_another_file() const {
  return io::check_replaceable(
      path_, [](std::string_view begin) { return begin.find(version_key) != begin.npos; });
}

std::int64_t file::clear_partial(bool& found) {
  found = false;
  const io::unique_fd left(
      ::open(partial_.c_str(), O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!left) return errno == ENOENT ? 0 : -errno;
  if (::flock(left.get(), LOCK_EX | LOCK_NB) != 0) return errno == EWOULDBLOCK ? -EBUSY : -errno;
  found = true;
  return result_of(::unlink(partial_.c_str()));
}

std::int64_t file::create() {
  partial_file_ = io::unique_fd(::open(
      partial_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0666));
  if (!partial_file_) return errno == EEXIST ? -EBUSY : -errno;
  // A file system without locks is no reason to do without receipts.
  (void)::flock(partial_file_.get(), LOCK_EX | LOCK_NB);
  return 0;
}

std::int64_t file::try_out() {
  const auto replaceable = look_for_another_file();
  if (replaceable < 0) return replaceable;
  const auto created = create();
  drop();
  return created;
}

/// JSON may end with spaces.
std::int64_t file::write(std::string_view text, std::uint64_t room) {
  std::string padded;
  if (room > 0) {
    padded = std::string(text) + std::string(room, ' ');
    text = padded;
  }
  const int fd = partial_file_.get();
  const auto written = io::write_at(fd, 0, std::as_bytes(std::span(text)));
  if (written < 0) return written;
  if (::ftruncate(fd, static_cast<off_t>(text.size())) != 0) return -errno;
  return result_of(::fsync(fd));
}

std::int64_t file::prepare(std::string_view text) {
  auto result = create();
  if (result < 0) return result;
  result = write(text, room_for_results);
  if (result < 0 || abandoned_) drop();
  return abandoned_ ? -ECANCELED : result;
}

std::int64_t file::finish(std::string_view text) {
  auto result = look_for_another_file();  // the sink may have made it
  if (result == 0) result = write(text, 0);
  if (result < 0) return result;
  if (::rename(partial_.c_str(), path_.c_str()) != 0) return -errno;
  partial_file_.reset();
  return sync_directory();
}

void file::drop() noexcept {
  if (!partial_file_) return;
  (void)::unlink(partial_.c_str());
  partial_file_.reset();
}

std::int64_t file::sync_directory() const {
  auto directory = std::filesystem::path(path_).parent_path();
  if (directory.empty()) directory = ".";
  const io::unique_fd opened(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // One that may not be read can still be written, and nothing more can be done for it.
  if (!opened) return errno == EACCES ? 0 : -errno;
  const auto result = result_of(::fsync(opened.get()));
  return result == -EINVAL ? 0 : result;
}

}  // namespace nbdstream::receipt

// SPDX-License-Identifier: BSD-3-Clause
#include "io/unique_fd.hpp"
#include "restore/failure.hpp"
#include "restore/file_target.hpp"
#include "restore/local_disk.hpp"
#include "restore/snapshot_name.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

namespace nbdstream::restore {
namespace {

/// The path of the file itself: what is kept beside it is not beside a link to it.
std::string own_path(const std::string& path) {
  const std::unique_ptr<char, decltype(&::free)> real(::realpath(path.c_str(), nullptr), &::free);
  if (!real) fail_with_errno(path, "cannot be found");
  return real.get();
}

std::uint64_t page_size() {
  return static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

/// What files and devices have in common.
class existing_target : public target {
 public:
  existing_target(std::string path, int flags, const stop_signals& signals)
      : name_(std::move(path)),
        fd_(::open(name_.c_str(), O_RDWR | O_CLOEXEC | O_NOCTTY | flags)),
        signals_(signals) {
    if (!fd_ && errno == EBUSY)
      throw failure(name_ + " is in use: it is mounted, or a part of something that is");
    if (!fd_) fail_with_errno(name_, "cannot be opened");
  }

  [[nodiscard]] const std::string& name() const noexcept override { return name_; }
  void begin(const std::optional<std::string>& /*from*/) override {}
  void resize(std::uint64_t /*size*/) override { throw failure(name_ + " cannot grow"); }
  void write(std::uint64_t offset, std::span<const std::byte> data) override {
    disk().write(offset, data);
  }
  void zero(std::uint64_t offset, std::uint64_t length) override { disk().zero(offset, length); }
  void flush() override { disk().flush(); }
  void read(std::uint64_t offset, std::span<std::byte> into) override {
    disk().read(fd_.get(), offset, into);
  }
  void commit(const std::optional<std::string>& /*snapshot*/) override {}

 protected:
  [[nodiscard]] int fd() const noexcept { return fd_.get(); }
  void set_alignment(std::uint64_t bytes) {
    disk_ = std::make_unique<local_disk>(fd_.get(), name_, bytes, signals_);
  }

 private:
  [[nodiscard]] local_disk& disk() { return *disk_; }

  std::string name_;
  io::unique_fd fd_;
  const stop_signals& signals_;
  std::unique_ptr<local_disk> disk_;
};

class file_target final : public existing_target {
 public:
  file_target(const std::string& path, const stop_signals& signals)
      : existing_target(path, 0, signals), snapshot_(fd(), own_path(path)) {
    // Not on devices, where udevd holds one at times; there O_EXCL does the same.
    if (::flock(fd(), LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
      throw failure(path + " is in use: another program has locked it");
    set_alignment(page_size());
  }

  [[nodiscard]] std::optional<std::uint64_t> size() const override {
    struct stat status {};
    if (::fstat(fd(), &status) < 0) fail_with_errno(name(), "cannot be looked at");
    return static_cast<std::uint64_t>(status.st_size);
  }
  [[nodiscard]] bool can_grow() const noexcept override { return true; }
  [[nodiscard]] snapshot_state held() const override { return snapshot_.read(); }

  void begin(const std::optional<std::string>& from) override { snapshot_.mark_interrupted(from); }
  void resize(std::uint64_t to) override {
    if (::ftruncate(fd(), static_cast<off_t>(to)) < 0)
      fail_with_errno(name(), "cannot grow to " + std::to_string(to) + " bytes");
  }
  void commit(const std::optional<std::string>& snapshot) override { snapshot_.write(snapshot); }

 private:
  snapshot_name snapshot_;
};

class device_target final : public existing_target {
 public:
  /// Without O_CREAT, O_EXCL is for block devices: it refuses one that is in use.
  device_target(const std::string& path, const stop_signals& signals)
      : existing_target(path, O_EXCL, signals) {
    int sector = 0;
    if (::ioctl(fd(), BLKSSZGET, &sector) < 0) sector = 512;
    set_alignment(std::max(page_size(), static_cast<std::uint64_t>(sector)));
  }

  [[nodiscard]] std::optional<std::uint64_t> size() const override {
    const auto end = ::lseek(fd(), 0, SEEK_END);
    if (end < 0) fail_with_errno(name(), "its size cannot be found out");
    return static_cast<std::uint64_t>(end);
  }
};

}  // namespace

std::unique_ptr<target> open_file(const std::string& path, const stop_signals& signals) {
  return std::make_unique<file_target>(path, signals);
}

std::unique_ptr<target> open_device(const std::string& path, const stop_signals& signals) {
  return std::make_unique<device_target>(path, signals);
}

}  // namespace nbdstream::restore

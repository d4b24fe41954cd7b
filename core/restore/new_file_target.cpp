// SPDX-License-Identifier: BSD-3-Clause
#include "io/unique_fd.hpp"
#include "restore/failure.hpp"
#include "restore/file_target.hpp"
#include "restore/local_disk.hpp"
#include "restore/snapshot_name.hpp"

#include "../sinks/medium/new_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace nbdstream::restore {
namespace {

class new_file_target final : public target {
 public:
  new_file_target(const std::string& path, const stop_signals& signals)
      : place_(medium::place_for_file(path)), name_(place_.path()), signals_(signals) {}

  [[nodiscard]] const std::string& name() const noexcept override { return name_; }
  [[nodiscard]] std::optional<std::uint64_t> size() const override { return std::nullopt; }
  [[nodiscard]] snapshot_state held() const override { return {}; }

  void begin(const std::optional<std::string>& /*from*/) override {
    constexpr mode_t mode = 0666;  // less what the umask takes
    file_ = std::make_unique<medium::new_file>(place_, mode);
    disk_ = std::make_unique<local_disk>(
        file_->get(), name_, static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)), signals_);
  }

  /// The file begins as one hole.
  void resize(std::uint64_t size) override {
    if (::ftruncate(file_->get(), static_cast<off_t>(size)) < 0)
      fail_with_errno(name_, "a file of " + std::to_string(size) + " bytes cannot be made");
  }
  void write(std::uint64_t offset, std::span<const std::byte> data) override {
    disk_->write(offset, data);
  }
  void zero(std::uint64_t offset, std::uint64_t length) override { disk_->zero(offset, length); }
  void flush() override { disk_->flush(); }

  void read(std::uint64_t offset, std::span<std::byte> into) override {
    if (!readable_) {
      const std::string open_again = "/proc/self/fd/" + std::to_string(file_->get());
      readable_ = io::unique_fd(::open(open_again.c_str(), O_RDONLY | O_CLOEXEC));
      if (!readable_) fail_with_errno(name_, "cannot be read back");
    }
    disk_->read(readable_.get(), offset, into);
  }

  /// An attribute comes with the file. What is kept beside it is made once the file is there; in
  /// between nothing is known of it, which refuses too much but nothing wrong.
  void commit(const std::optional<std::string>& snapshot) override {
    const snapshot_name kept(file_->get(), name_);
    // What an older file of that name has left there.
    if (::access(name_.c_str(), F_OK) < 0 && errno == ENOENT) kept.write(std::nullopt);
    const bool in_attribute = snapshot && kept.store_in_attribute(*snapshot);
    readable_.reset();
    file_->publish(medium::new_file::existing::kept, true);
    if (snapshot && !in_attribute) kept.store_beside(*snapshot);
  }

 private:
  medium::place place_;
  std::string name_;
  const stop_signals& signals_;
  std::unique_ptr<medium::new_file> file_;
  std::unique_ptr<local_disk> disk_;
  io::unique_fd readable_;
};

}  // namespace

std::unique_ptr<target> make_new_file(const std::string& path, const stop_signals& signals) {
  return std::make_unique<new_file_target>(path, signals);
}

}  // namespace nbdstream::restore

// SPDX-License-Identifier: BSD-3-Clause
//
// The sink `file`: a file that appears when it is complete, or a block device.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <charconv>
#include <filesystem>
#include <nbdstream/sink.hpp>

#include "../medium/new_file.hpp"
#include "../medium/uninterrupted.hpp"
#include "device.hpp"
#include "holes.hpp"
#include "permissions.hpp"
#include "target.hpp"
#include "write_back.hpp"
#include "write_behind.hpp"

namespace nbdstream::file {
namespace {

using medium::new_file;

class file_sink {
 public:
  // Disks are never "not ready": all calls take as long as they take, on a thread of this sink's.
  static constexpr sink_description about{
      .name = "file",
      .description = "Write a file, which appears when it is complete, or to a block device",
      .blocking = NBDSTREAM_BLOCKING_OPEN | NBDSTREAM_BLOCKING_WRITE | NBDSTREAM_BLOCKING_FINISH};
  static constexpr std::array<nbdstream_option, 4> options{
      {{"path", NBDSTREAM_OPTION_STRING,
        NBDSTREAM_OPTION_REQUIRED | NBDSTREAM_OPTION_POSITIONAL | NBDSTREAM_OPTION_EXCLUSIVE_PATH,
        nullptr, "the file, or a block device, which is written in place"},
       {"overwrite", NBDSTREAM_OPTION_BOOLEAN, 0, "false",
        "replace a file that is there, once the new one is complete"},
       {"mode", NBDSTREAM_OPTION_MODE, 0, nullptr,
        "exact permissions, as in 0600; without it those of the replaced file, or what umask "
        "leaves"},
       {"sync", NBDSTREAM_OPTION_BOOLEAN, 0, "true",
        "have it on the disk before it counts as complete"}}};

  explicit file_sink(sink_host host)
      : host_(host),
        path_(host.text("path").value_or("")),
        overwrite_(host.number("overwrite").value_or(0) != 0),
        sync_(host.number("sync").value_or(1) != 0) {
    if (path_.empty()) throw sink_error(EINVAL, "the path is empty: name a file to be made");
    if (const auto text = host.text("mode")) mode_ = parse_mode(*text);
    const target found = look_at(path_);
    if (found.what == target::kind::device) device::check(path_);
    if (found.what == target::kind::file && !overwrite_)
      throw sink_error(EEXIST,
                       path_ + " exists: name another file, or replace it with `overwrite=true`");
    if (found.what == target::kind::file) check_replaceable(path_, found);
  }

  int open(const nbdstream_stream& stream) {
    stop_ = false;
    const target found = look_at(path_);
    if (found.what == target::kind::device) return open_device(stream);
    const bool exists = found.what == target::kind::file;
    if (exists && !overwrite_)
      throw sink_error(
          EEXIST, path_ + (stream.id > 1 ? " exists: an earlier stream wrote it, and only with "
                                           "`overwrite=true` does each replace the last"
                                         : " exists now, and is not replaced"));
    if (exists) check_replaceable(path_, found);
    const permissions wanted(mode_, exists ? &found.status : nullptr, found.where.path());
    file_.emplace(found.where, wanted.first_mode());
    const int refusal = try_hole(fd());
    holes_ = refusal == 0;
    // Some file systems take nothing more of a file after an error.
    if (refusal != 0 && refusal != ESPIPE) file_.emplace(found.where, wanted.first_mode());
    wanted.give_to(fd(), path_);
    if (sync_ && holes_) behind_.emplace(host_, fd());
    return 0;
  }

  int native_fd(std::uint32_t&) { return fd(); }

  std::int64_t zero(std::uint64_t length) {
    if (device_) return device_->zero(length);
    if (!holes_) return -ENOTSUP;
    // What nobody writes in a new file is a hole, also at its end: commit says where that is.
    const auto count = static_cast<off64_t>(std::min<std::uint64_t>(length, INT64_MAX));
    if (::lseek(fd(), count, SEEK_CUR) >= 0) return count;
    const bool too_large = errno == EINVAL || errno == EOVERFLOW;
    throw std::system_error(too_large ? EFBIG : errno, std::system_category(), path_);
  }

  int commit(std::uint64_t length) {
    const auto end = static_cast<off64_t>(length);
    if (!has_length(end))
      throw sink_error(EIO, path_ + ": what was written has another length than the stream");
    if (device_) return finish_device(length);
    // Where it has no holes, it has none at its end either.
    if (holes_ && medium::uninterrupted([&] { return ::ftruncate(fd(), end); }) < 0)
      fail("its length cannot be set");
    if (sync_) push_out(length);
    struct stat made {};
    if (::fstat(fd(), &made) < 0) fail("cannot be looked at");
    using existing = new_file::existing;
    if (!file_->publish(overwrite_ ? existing::replaced : existing::kept, sync_))
      host_.log(NBDSTREAM_LOG_WARNING,
                path_ + ": this file system cannot promise that a file which appears in the very " +
                    "moment of the commit is kept; nothing was there just before");
    tell_result(made, length);
    return 0;
  }

  int abort() noexcept {
    if (behind_) behind_->stop();
    if (device_) warn_partial();
    device_.reset();
    // Where files are sent elsewhere, one that is empty may be sent only after it was removed.
    if (file_ && !holes_) (void)!::write(fd(), "", 1);
    file_.reset();
    behind_.reset();  // last: it may have to wait for the disk
    return 0;
  }

  int check() const {
    if (behind_ && behind_->error() != 0) fail_to_reach_disk(behind_->error());
    return 0;
  }

  /// A call of the system that waits for a disk cannot be interrupted; between two of them we look.
  void interrupt() noexcept { stop_ = true; }

 private:
  static mode_t parse_mode(std::string_view text) {
    unsigned mode = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
    if (text.empty() || error != std::errc() || end != text.data() + text.size() || mode > 0777)
      throw sink_error(EINVAL, "mode=" + std::string(text) +
                                   ": write permissions in octal, from 0000 to 0777, as in 0600");
    return mode;
  }

  [[nodiscard]] int fd() const noexcept {
    if (device_) return device_->get();
    return file_ ? file_->get() : -1;
  }

  /// As far as can be asked: not every file system knows positions.
  [[nodiscard]] bool has_length(off64_t length) const noexcept {
    const auto at = ::lseek(fd(), 0, SEEK_CUR);
    return at == length || (at < 0 && errno == ESPIPE);
  }

  [[noreturn]] void fail(const char* what) const {
    throw std::system_error(errno, std::system_category(), path_ + ": " + what);
  }

  int open_device(const nbdstream_stream& stream) {
    device_.emplace(path_);
    if ((stream.flags & NBDSTREAM_STREAM_SIZE_KNOWN) && stream.size > device_->size())
      throw sink_error(ENOSPC, path_ + " has " + std::to_string(device_->size()) +
                                   " bytes, too few for a stream of " +
                                   std::to_string(stream.size));
    if (sync_) behind_.emplace(host_, fd());
    return 0;
  }

  void push_out(std::uint64_t length) {
    std::uint64_t begin = 0;
    if (behind_) {
      begin = behind_->finish();
      (void)check();
      behind_.reset();
    }
    if (const int status = write_back(fd(), begin, length, stop_); status < 0)
      fail_to_reach_disk(-status);
  }

  [[noreturn]] void fail_to_reach_disk(int error) const {
    errno = error == EAGAIN ? EIO : error;  // -EAGAIN would have the call repeated
    fail("what was written did not reach the disk");
  }

  int finish_device(std::uint64_t length) {
    if (sync_) push_out(length);
    const auto rest = device_->size() - length;
    struct stat disk {};
    if (::fstat(fd(), &disk) < 0) fail("cannot be looked at");
    if (const int status = device_->finish(sync_); status < 0) fail_to_reach_disk(-status);
    device_.reset();
    if (rest > 0)
      host_.log(NBDSTREAM_LOG_INFO, path_ + ": the last " + std::to_string(rest) +
                                        " bytes of the device are what they were before");
    tell_result(disk, length);
    return 0;
  }

  /// For the receipt: where the stream is now.
  void tell_result(const struct stat& s, std::uint64_t length) const {
    std::error_code failed;
    const auto path = std::filesystem::absolute(path_, failed);
    const auto device = device_number(s);
    host_.result("path", failed ? path_ : path.string());
    host_.result("device", std::to_string(major(device)) + ":" + std::to_string(minor(device)));
    if (!S_ISBLK(s.st_mode)) host_.result("inode", std::to_string(s.st_ino));
    host_.result("size_bytes", std::to_string(length));
  }

  /// Of a block device itself, else of the file system.
  static dev_t device_number(const struct stat& s) noexcept {
    return S_ISBLK(s.st_mode) ? s.st_rdev : s.st_dev;
  }

  void warn_partial() noexcept try {
    if (device_->get() < 0 || ::lseek(fd(), 0, SEEK_CUR) > 0)
      host_.log(NBDSTREAM_LOG_WARNING, path_ + " holds a part of a stream that was aborted");
  } catch (...) {  // no memory for a line
  }

  sink_host host_;
  std::string path_;
  bool overwrite_;
  bool sync_;
  std::optional<mode_t> mode_;
  std::optional<new_file> file_;
  bool holes_ = true;  // of file_
  std::optional<device> device_;
  std::atomic<bool> stop_ = false;
  std::optional<write_behind> behind_;  // of a stream with sync_
};

}  // namespace
}  // namespace nbdstream::file

NBDSTREAM_EXPORT_SINK(nbdstream::file::file_sink)

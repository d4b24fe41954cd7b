// SPDX-License-Identifier: BSD-3-Clause
//
// The sink of template.c once more, in C++20: PATH.part, renamed to PATH when it is complete.
//
//   c++ -std=c++20 -shared -fPIC $(pkg-config --cflags --libs nbdstream) -o mine.so template.cpp
//   nbdstream --sink ./mine.so:/backup/disk.raw --run '...'
//
// A killed process leaves PATH.part behind, and every later open fails until somebody removes it. A
// sink for real use puts stream.unique_id into the temporary name.
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <nbdstream/sink.hpp>

namespace {

/// Fails a call; the host is given the sentence and -errno.
[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::system_category(), what);
}

class template_sink {
 public:
  static constexpr nbdstream::sink_description about{
      .name = "template",
      .description = "Write to a file that appears when the stream is complete",
      // Disks block: calls in these phases get a thread of their own, and nobody waits for us.
      .blocking = NBDSTREAM_BLOCKING_OPEN | NBDSTREAM_BLOCKING_WRITE | NBDSTREAM_BLOCKING_FINISH};
  static constexpr std::array<nbdstream_option, 2> options{
      // The host lets no two exports have the same path.
      {{"path", NBDSTREAM_OPTION_STRING,
        NBDSTREAM_OPTION_REQUIRED | NBDSTREAM_OPTION_POSITIONAL | NBDSTREAM_OPTION_EXCLUSIVE_PATH,
        nullptr, "the file that a complete stream becomes"},
       {"mode", NBDSTREAM_OPTION_MODE, 0, "0666",
        "its permissions, of which umask takes some away"}}};

  /// Before any client comes. The host has checked the settings: what is required is there.
  explicit template_sink(nbdstream::sink_host host)
      : path_(host.text("path").value()),
        part_(path_ + ".part"),
        mode_(static_cast<mode_t>(host.number("mode").value())) {}

  /// At the first write of a client.
  int open(const nbdstream_stream&) {
    // O_EXCL: neither follow a link that somebody planted, nor share the file with a twin of ours.
    fd_ = ::open(part_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode_);
    if (fd_ < 0) fail("cannot create " + part_);
    return 0;
  }

  /// Takes some of the bytes, at least one; the host comes back with the rest.
  std::int64_t write(std::span<const std::byte> data) {
    const ssize_t written = ::write(fd_, data.data(), data.size());
    if (written < 0) fail("cannot write to " + part_);
    return written;
  }

  /// The stream is complete; 0 says that its bytes are on the disk. That its name outlasts a crash
  /// would take an fsync of the directory, too. After an error abort follows.
  int commit(std::uint64_t) {
    if (::fsync(fd_) < 0) fail("cannot sync " + part_);
    if (std::rename(part_.c_str(), path_.c_str()) < 0) fail("cannot rename to " + path_);
    ::close(std::exchange(fd_, -1));
    return 0;
  }

  /// The stream is not complete: leave nothing that looks as if it were. Also after an open that
  /// failed: then the file is not ours.
  int abort() noexcept {
    if (fd_ < 0) return 0;
    ::unlink(part_.c_str());
    ::close(std::exchange(fd_, -1));
    return 0;
  }

 private:
  std::string path_;
  std::string part_;
  mode_t mode_;
  int fd_ = -1;
};

}  // namespace

NBDSTREAM_EXPORT_SINK(template_sink)

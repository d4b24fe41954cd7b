// SPDX-License-Identifier: BSD-3-Clause
//
// The sink `null`: counts the bytes of a stream and discards them; computes their digest, if asked.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <nbdstream/sink.hpp>

#include "../medium/descriptor.hpp"
#include "../medium/digest.hpp"
#include "../medium/new_file.hpp"
#include "../medium/null_device.hpp"

namespace nbdstream::null {
namespace {

/// The null device, to which the host moves the bytes without a copy; empty where it is missing, or
/// something else, which would keep them, has its name.
medium::descriptor open_null_device() {
  medium::descriptor fd(::open("/dev/null", O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
  return medium::is_null_device(fd.get()) ? std::move(fd) : medium::descriptor();
}

class null_sink {
 public:
  // A digest takes a second or two for each GiB, in which nobody else would be served. What merely
  // counts would not need the thread, but a module cannot say that of one sink and not of another.
  static constexpr sink_description about{
      .name = "null",
      .description = "Count the bytes and discard them; with a digest, if that is asked for",
      .blocking = NBDSTREAM_BLOCKING_WRITE | NBDSTREAM_BLOCKING_FINISH};
  static constexpr std::array<nbdstream_option, 2> options{
      {{"digest", NBDSTREAM_OPTION_STRING, 0, nullptr,
        "sha256: log that digest of each complete stream"},
       {"digest-file", NBDSTREAM_OPTION_STRING, 0, nullptr,
        "a file that gets the digest as well, as sha256sum(1) writes it"}}};

  explicit null_sink(sink_host host) : host_(host), file_(host.text("digest-file").value_or("")) {
    const auto wanted = host.text("digest");
    if (wanted && *wanted != "sha256")
      throw sink_error(EINVAL, "digest=" + std::string(*wanted) + ": only sha256 is known");
    if (wanted) digest_.emplace();
    if (!wanted) nowhere_ = open_null_device();
    if (!host.text("digest-file")) return;
    if (!digest_) throw sink_error(EINVAL, "digest-file needs `digest=sha256` as well");
    (void)place_of_digest();
  }

  int open(const nbdstream_stream& stream) {
    start_over();
    name_ = stream.export_name;
    return 0;
  }

  /// -1 where the bytes must be looked at.
  int native_fd(std::uint32_t&) { return nowhere_.get(); }

  std::int64_t write(std::span<const std::byte> data) {
    if (digest_) digest_->add(data);
    return count(data.size());
  }

  std::int64_t zero(std::uint64_t length) {
    // The null device has no offset that could be moved on; to write zeroes there costs nothing.
    if (nowhere_) return -ENOTSUP;
    // Not more at once, so that the host can end it.
    constexpr std::uint64_t most = 16 << 20;
    if (!digest_) return count(std::min<std::uint64_t>(length, INT64_MAX));
    const auto piece = std::min(length, most);
    digest_->add_zeroes(piece);
    return count(piece);
  }

  int commit(std::uint64_t length) {
    // What went to the null device, only the host has counted.
    if (nowhere_) count_ = length;
    if (length != count_)
      throw sink_error(EIO, "what was counted has another length than the stream");
    std::string line = name_.empty() ? "" : "export \"" + name_ + "\": ";
    line += std::to_string(count_) + " bytes";
    if (digest_) {
      const std::string value = medium::hex(digest_->finish());
      if (!file_.empty()) save(value);
      line += ", sha256 " + value;
    }
    host_.log(NBDSTREAM_LOG_INFO, line);
    return 0;
  }

  int abort() noexcept { return 0; }

 private:
  std::int64_t count(std::uint64_t more) {
    count_ += more;
    return static_cast<std::int64_t>(more);
  }

  void start_over() {
    count_ = 0;
    if (digest_) digest_->start_over();
  }

  [[nodiscard]] medium::place place_of_digest() const {
    struct stat there {};
    const bool exists = ::lstat(file_.c_str(), &there) == 0;
    if (exists && !S_ISREG(there.st_mode))
      throw sink_error(EINVAL, "digest-file: " + file_ + " is not a regular file");
    medium::place where = medium::place_for_file(file_);
    if (exists) medium::check_replaceable(where);
    return where;
  }

  void save(const std::string& value) const {
    const std::string text = value + "  -\n";
    medium::new_file file(place_of_digest(), 0666);
    if (::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
      throw sink_error(ENOSPC, file_ + ": the digest cannot be written");
    (void)file.publish(medium::new_file::existing::replaced, true);
  }

  sink_host host_;
  std::string file_;
  std::optional<medium::digest> digest_;
  medium::descriptor nowhere_;  // without a digest
  std::string name_;
  std::uint64_t count_ = 0;
};

}  // namespace
}  // namespace nbdstream::null

NBDSTREAM_EXPORT_SINK(nbdstream::null::null_sink)

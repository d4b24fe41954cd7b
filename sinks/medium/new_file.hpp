// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINKS_MEDIUM_NEW_FILE_HPP
#define NBDSTREAM_SINKS_MEDIUM_NEW_FILE_HPP

#include <sys/types.h>

#include <string>
#include <utility>

#include "descriptor.hpp"

namespace nbdstream::medium {

/// Where a file stands, or will: its directory, and its name there.
struct place {
  std::string directory;
  std::string name;
  [[nodiscard]] std::string path() const;
};

/// The place that a user's path names, whether anything is there or not. Throws sink_error where
/// no file can be made there.
place place_for_file(const std::string& path);

/// A file that gets its name only when it is complete. Until then it stands in the same directory
/// under a name that nobody can foresee, and vanishes with this object.
///
/// It has a name all the time, since not every file system can make one without (O_TMPFILE: NFS and
/// vfat cannot), and to replace a file a name is needed in any case.
class new_file {
 public:
  enum class existing { kept, replaced };  ///< what is to happen with a file that is there

  new_file() = default;
  /// Makes it with `mode`, as the umask allows. Throws where it cannot.
  new_file(place where, mode_t mode);
  new_file(new_file&& other) noexcept
      : where_(std::move(other.where_)),
        directory_(std::move(other.directory_)),
        file_(std::move(other.file_)),
        name_(std::exchange(other.name_, {})) {}
  new_file& operator=(new_file&& other) noexcept {
    discard();
    where_ = std::move(other.where_);
    directory_ = std::move(other.directory_);
    file_ = std::move(other.file_);
    name_ = std::exchange(other.name_, {});
    return *this;
  }
  ~new_file() { discard(); }

  [[nodiscard]] int get() const noexcept { return file_.get(); }
  explicit operator bool() const noexcept { return static_cast<bool>(file_); }

  /// Closes it and gives it its name, in one step, so that nobody ever finds a part of it there.
  /// `sync`: it outlasts a crash of the system, too. Throws where any of it fails; where that
  /// happens, what is called so is as before, and discard() removes what there is of it. Only a
  /// file that has replaced another stays in its place if the disk fails in the very last step.
  /// False: it could only look whether a file is there, and one that came in the same instant would
  /// have been replaced.
  bool publish(existing other, bool sync);

  /// Removes it, unless it has been published.
  void discard() noexcept;

 private:
  void check_directory() const;
  bool give_name(existing other);
  int link_or_rename(bool& kept) const;
  void sync_directory() const;
  [[nodiscard]] bool may_remove() const noexcept;
  [[noreturn]] void fail(int error, const char* what) const;

  place where_;
  descriptor directory_;
  descriptor file_;
  std::string name_;  ///< the one to remove; none where there is nothing to remove
};

}  // namespace nbdstream::medium

#endif

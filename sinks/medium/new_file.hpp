// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINKS_MEDIUM_NEW_FILE_HPP
#define NBDSTREAM_SINKS_MEDIUM_NEW_FILE_HPP

#include <sys/stat.h>

#include <string>

#include "descriptor.hpp"
#include "place.hpp"

namespace nbdstream::medium {

/// A file that gets its name only when it is complete. Until then it stands in the same directory
/// under a name that nobody can foresee, and vanishes with this object.
///
/// It has a name all the time, since not every file system can make one without (O_TMPFILE: NFS and
/// vfat cannot), and to replace a file a name is needed in any case.
class new_file {
 public:
  enum class existing { kept, replaced };  ///< what is to happen with a file that is there

  /// Makes it with `mode`, as the umask allows. Throws where it cannot.
  new_file(place where, mode_t mode);
  new_file(const new_file&) = delete;
  new_file& operator=(const new_file&) = delete;
  /// Removes it, unless it is complete.
  ~new_file();

  [[nodiscard]] int get() const noexcept { return file_.get(); }

  /// Closes it and gives it its name, in one step, so that nobody ever finds a part of it there.
  /// `sync`: it outlasts a crash of the system, too. Throws where any of it fails. What was written
  /// may have been lost then, and the file vanishes; or it is complete, and stays: under a name
  /// that says so, or in the place of the file that it has replaced. The error tells where. False:
  /// it could only look whether a file is there, and one that came in the same instant would have
  /// been replaced.
  bool publish(existing other, bool sync);

 private:
  void create(const std::string& name, mode_t mode);
  void seal(bool sync);
  int move_to(const std::string& name, existing other, bool& is_safe) const;
  [[nodiscard]] bool is_called(const std::string& name) const noexcept;
  [[nodiscard]] bool directory_is_in_place() const noexcept;
  [[nodiscard]] std::string directory_now() const;
  [[nodiscard]] int sync_directory() const noexcept;
  [[nodiscard]] std::string keep_complete();
  [[noreturn]] void fail(int error, const char* what) const;
  [[noreturn]] void fail_complete(int error, std::string text);

  place where_;
  descriptor directory_;
  descriptor file_;
  std::string digits_;     ///< that nobody can foresee
  std::string name_;       ///< what it is called now; empty where there is nothing to remove
  struct stat status_ {};  ///< of the file, once it is complete
};

}  // namespace nbdstream::medium

#endif

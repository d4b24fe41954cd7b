// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINKS_FILE_PERMISSIONS_HPP
#define NBDSTREAM_SINKS_FILE_PERMISSIONS_HPP

#include <sys/stat.h>

#include <optional>
#include <string>

namespace nbdstream::file {

/// Who may do what with a new file. It is made with first_mode(), which lets nobody in who may not
/// be let in at the end, and give_to() does the rest.
class permissions {
 public:
  /// `asked`: the user's wish, which is met exactly. Without it they are those of `replaced`, the
  /// file at `path`, with its access list; without both they are what the umask leaves.
  permissions(std::optional<mode_t> asked, const struct stat* replaced, const std::string& path);

  [[nodiscard]] mode_t first_mode() const noexcept { return mode_ ? *mode_ & 0700 : 0666; }

  /// Throws where the system refuses; what cannot be kept of the replaced file's owner, group and
  /// access list must not give anybody more than before.
  void give_to(int fd, const std::string& path) const;

 private:
  [[nodiscard]] mode_t inherit(int fd) const noexcept;

  std::optional<mode_t> mode_;
  bool inherited_;
  bool replaces_;
  struct stat replaced_ {};
  std::optional<std::string> acl_ = "";  ///< empty: there is none; nullopt: it cannot be read
};

}  // namespace nbdstream::file

#endif

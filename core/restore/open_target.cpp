// SPDX-License-Identifier: BSD-3-Clause
#include "restore/failure.hpp"
#include "restore/file_target.hpp"
#include "restore/nbd_target.hpp"

#include <sys/stat.h>

#include <cerrno>

namespace nbdstream::restore {

std::unique_ptr<target> open_target(const std::string& name, const stop_signals& signals) {
  if (is_nbd_uri(name)) return connect(name, signals);
  struct stat status {};
  if (::stat(name.c_str(), &status) < 0) {
    const int error = errno;
    if (error == ENOENT && ::lstat(name.c_str(), &status) == 0)
      throw failure(name + " is a symbolic link to nothing: name the file itself");
    errno = error;
    if (error == ENOENT) return make_new_file(name, signals);
    fail_with_errno(name, "cannot be looked at");
  }
  if (S_ISREG(status.st_mode)) return open_file(name, signals);
  if (S_ISBLK(status.st_mode)) return open_device(name, signals);
  throw failure(name + " is neither a regular file nor a block device");
}

}  // namespace nbdstream::restore

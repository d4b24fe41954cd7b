// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_RESTORE_SNAPSHOT_NAME_HPP
#define NBDSTREAM_RESTORE_SNAPSHOT_NAME_HPP

#include "restore/chain.hpp"

#include <optional>
#include <string>

namespace nbdstream::restore {

/// The name of the snapshot that a regular file holds, where the next apply finds it: in the
/// extended attribute user.nbdstream.snapshot, or where the file system has none, or no room for
/// it, in a file beside it, whose name ends in .nbdstream-snapshot.
///
/// While the file is written a marker takes its place. It begins with a zero byte, which no name
/// has; behind that is the name that the apply has begun from.
class snapshot_name {
 public:
  /// `fd`: the file, borrowed. `path`: its own, not that of a link to it.
  snapshot_name(int fd, std::string path);

  [[nodiscard]] snapshot_state read() const;
  void mark_interrupted(const std::optional<std::string>& from) const;
  /// none: nothing is known.
  void write(const std::optional<std::string>& name) const;

  /// Only this way; false: the file system cannot.
  [[nodiscard]] bool store_in_attribute(const std::string& text) const;
  /// Only that way; the file need not be open any more.
  void store_beside(const std::string& text) const;

 private:
  void store(const std::string& text) const;
  void remove_attribute() const;
  void remove_beside() const;
  [[nodiscard]] std::string directory() const;
  void sync_directory() const;

  int fd_;
  std::string path_;
  std::string beside_;
};

}  // namespace nbdstream::restore
#endif

// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINKS_FIFO_NAMED_PIPE_HPP
#define NBDSTREAM_SINKS_FIFO_NAMED_PIPE_HPP

#include <sys/stat.h>

#include <string>

#include "../medium/descriptor.hpp"

namespace nbdstream::fifo {

/// What a path leads to, of the things that this sink writes to.
enum class target { missing, pipe, socket, device };

/// Throws sink_error, in the user's words, for everything else that may be there.
target look_at(const std::string& path);
target classify(const std::string& path, const struct stat& status);

bool same_inode(const struct stat& one, const struct stat& other) noexcept;

/// A FIFO that we made, and may therefore replace.
class own_pipe {
 public:
  own_pipe() = default;

  /// Makes the FIFO, with mode 0666 as the umask allows. Returns false, and makes nothing, where
  /// something has appeared at `path` meanwhile.
  bool make(const std::string& path);

  /// Whether we made a FIFO at all, be it still there or not.
  explicit operator bool() const noexcept { return static_cast<bool>(pin_); }

  /// Puts a new FIFO with the same mode and owner in the place of the one that the descriptor
  /// `open_end` leads to. To be called before that is closed: a reader that opens the path again
  /// after its end of file then finds the new one. Returns false, and changes nothing, where that
  /// FIFO or what the path leads to is not ours, or the directory does not let us.
  bool replace(const std::string& path, int open_end) noexcept;

 private:
  /// Holds the inode, lest a FIFO of someone else gets its number and looks like ours.
  medium::descriptor pin_;
};

}  // namespace nbdstream::fifo

#endif

// SPDX-License-Identifier: BSD-3-Clause
//
// What the process that drives a module tells the one that watches it.
#ifndef NBDSTREAM_CONFORMANCE_CHANNEL_HPP
#define NBDSTREAM_CONFORMANCE_CHANNEL_HPP

#include "conformance/contract.hpp"
#include "io/unique_fd.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace nbdstream::conformance {

enum class kind : char {
  calling,        ///< text: the call that begins, and must soon return
  watching,       ///< text: the call that runs elsewhere, with its deadline looked after
  returned,       ///< no call is running
  violation,      ///< text: what happened, a newline, the sentence that it breaks
  slow,           ///< the same, where the machine may be to blame
  refused,        ///< the same, where that may be right: a stream was kept, and bars the next
  note,           ///< text: one line for the user
  left_out,       ///< text: why this check cannot be made
  unusable,       ///< text: what is wrong with the user's settings
  uses_stdout,    ///< the module writes to standard output
  committed,      ///< text: length and checksum of a stream that is said to be complete
  reader_pauses,  ///< the reader of standard output shall read no more; answered
  reader_leaves,  ///< it shall close its end; answered
  bail_out,       ///< text: why no other check can be made
  done            ///< the check came to its end
};

struct message {
  kind what;
  std::string text;
};

/// One end. Any thread may send.
class channel {
 public:
  static std::pair<channel, channel> make();

  void send(kind what, std::string_view text = {}) const noexcept;
  void violation(std::string_view what, contract::sentence broken,
                 kind how = kind::violation) const;

  /// The next message, without waiting. Where the other end is gone: kind::done with a text.
  [[nodiscard]] std::optional<message> receive() const;
  /// Waits for an answer.
  void await_answer() const noexcept;

  [[nodiscard]] int fd() const noexcept { return fd_.get(); }

 private:
  explicit channel(int fd) : fd_(fd) {}
  io::unique_fd fd_;
};

/// The checksum of a stream: of both what was sent and what arrived (FNV-1a).
struct checksum {
  std::uint64_t length = 0;
  std::uint64_t hash = 0xcbf29ce484222325;

  void add(std::string_view data) noexcept {
    for (const unsigned char byte : data) hash = (hash ^ byte) * 0x100000001b3;
    length += data.size();
  }
  [[nodiscard]] std::string text() const;
};

}  // namespace nbdstream::conformance
#endif

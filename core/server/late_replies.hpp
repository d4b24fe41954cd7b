// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SERVER_LATE_REPLIES_HPP
#define NBDSTREAM_SERVER_LATE_REPLIES_HPP

#include "server/client.hpp"

#include <cstdint>
#include <vector>

namespace nbdstream {

/// The requests that are done but not yet answered: so a client that fills the window more than
/// half is slowed down. They are answered in the order of their bytes.
class late_replies {
 public:
  /// A write of `who` whose bytes end before `end`. `who` stays until forget().
  void add(std::uint64_t end, client& who, const protocol::cookie& of);

  /// Answers every request whose bytes the cursor has passed.
  void answer_before(std::uint64_t cursor);
  /// Answers all, or all of one client.
  void answer_all(protocol::wire_error error);
  void answer_all(const client& who);
  /// A client has disconnected.
  void forget(const client& who);

  [[nodiscard]] bool empty() const noexcept { return waiting_.empty(); }

 private:
  struct entry {
    std::uint64_t end;
    client* who;
    protocol::cookie of;
  };

  std::vector<entry> waiting_;  ///< a heap, with the least end in front
};

}  // namespace nbdstream
#endif

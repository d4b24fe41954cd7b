// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SERVER_SPILL_QUEUE_HPP
#define NBDSTREAM_SERVER_SPILL_QUEUE_HPP

#include "io/condition.hpp"
#include "io/spill.hpp"
#include "server/spill_store.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace nbdstream {

/// The payload of one stream on its way to the spill file: while some of it is written, more is
/// received. It stands in a ring of memory, and leaves it in the order in which it came, many
/// pieces with one call.
///
/// Positions count the bytes that ever went through it.
class spill_queue {
 public:
  /// So much is received and not yet written at most.
  static constexpr std::size_t capacity = 4 << 20;  // bytes

  /// `to` is borrowed.
  spill_queue(const asio::any_io_executor& executor, spill_store& to)
      : to_(to), changed_(executor) {}

  /// Memory for what comes next; waits until there is some. Empty: it was abandoned. Several may
  /// wait; it is for whoever calls add() first.
  [[nodiscard]] awaitable<std::span<std::byte>> room();
  /// The first `count` bytes of room() have been filled, and are for `offset` in the stream. State:
  /// nothing has been awaited since room() has returned.
  void add(std::size_t count, std::uint64_t offset);

  [[nodiscard]] bool empty() const noexcept { return added_ == written_; }
  [[nodiscard]] std::uint64_t added() const noexcept { return added_; }
  [[nodiscard]] std::uint64_t written() const noexcept { return written_; }

  /// One write() takes no more than this, so that its deadline is for a bounded amount of work.
  static constexpr std::size_t pieces_at_once = 256;
  /// Writes what is there, from the first that came on. One call at a time. After an error the
  /// stream has failed.
  [[nodiscard]] awaitable<error_code> write();
  /// Until all that was added before is written, or it was abandoned.
  [[nodiscard]] awaitable<void> wait_until_written();

  /// The stream is over: nobody waits any longer. Memory that a call of the system still uses is
  /// left to that call.
  void abandon();

 private:
  /// What a call of the system uses, also one that is not waited for any more.
  struct memory {
    std::unique_ptr<std::byte[]> ring = std::make_unique_for_overwrite<std::byte[]>(capacity);
    std::vector<io::spill::piece> writing;
  };
  [[nodiscard]] std::span<std::byte> free() const noexcept;

  spill_store& to_;
  io::condition changed_;
  std::shared_ptr<memory> memory_;  ///< none before something is to be written, and at the end
  std::vector<io::spill::piece> waiting_;
  std::uint64_t added_ = 0;
  std::uint64_t written_ = 0;
  bool abandoned_ = false;
};

}  // namespace nbdstream
#endif

// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SERVER_HELD_DATA_HPP
#define NBDSTREAM_SERVER_HELD_DATA_HPP

#include "encoding/encoder.hpp"
#include "protocol/constants.hpp"
#include "protocol/read_layout.hpp"
#include "server/spill_store.hpp"
#include "stream/sequencer.hpp"
#include "stream/status.hpp"

#include <vector>

namespace nbdstream {

/// What a stream holds ahead of its cursor: sent when it is next in order, and read by clients
/// meanwhile.
class held_data {
 public:
  /// All is borrowed. `gaps_are_zeroes`: what no request has named reads as zeroes; else what
  /// stands there is not known.
  held_data(stream::sequencer& order, spill_store& spill, encoding::encoder& to,
            const sink::sink& reader, bool gaps_are_zeroes) noexcept
      : order_(order),
        spill_(spill),
        encoder_(to),
        sink_(reader),
        gaps_are_zeroes_(gaps_are_zeroes) {}

  /// Sends one step. State: order.ready(), and the caller may feed the sink.
  [[nodiscard]] awaitable<sink::failure> send_next();

  enum class readable {
    zeroes,
    data,    ///< which is held
    sent,    ///< sent, and gone
    unknown  ///< of a gap in an incremental stream
  };
  /// What a READ would find.
  [[nodiscard]] readable look(std::uint64_t offset, std::uint64_t length) const;
  /// Reads [offset, offset + into.size()), which is memory of `owner`, and tells `layout` which of
  /// it are zeroes. EIO where it was sent before it could be read.
  [[nodiscard]] awaitable<protocol::wire_error> read(std::uint64_t offset,
                                                     std::span<std::byte> into,
                                                     std::shared_ptr<void> owner,
                                                     protocol::read_layout& layout);
  /// What stands in [offset, offset + length), 1 byte or more; or in the beginning of that, where
  /// it is in very many pieces. Agrees with what a READ would find.
  [[nodiscard]] std::vector<stream::status_range> status(std::uint64_t offset,
                                                         std::uint64_t length) const;

  /// The stream has failed or ended: what it held cannot be read either.
  void drop();

  /// Bytes of the payload that was sent, of that from the spill file, and of zeroes.
  [[nodiscard]] std::uint64_t sent_bytes() const noexcept { return sent_; }
  [[nodiscard]] std::uint64_t spilled_bytes() const noexcept { return spilled_; }
  [[nodiscard]] std::uint64_t zero_bytes() const noexcept { return zeroes_; }

 private:
  [[nodiscard]] awaitable<sink::failure> send_memory();
  [[nodiscard]] awaitable<sink::failure> send_spilled(const stream::extent& e);

  stream::sequencer& order_;
  spill_store& spill_;
  encoding::encoder& encoder_;
  const sink::sink& sink_;
  bool gaps_are_zeroes_;
  std::vector<stream::block_ptr> blocks_;  ///< held memory that is being sent;
  std::vector<encoding::piece> pieces_;    ///< the bytes of it
  std::uint64_t sent_ = 0;
  std::uint64_t spilled_ = 0;
  std::uint64_t zeroes_ = 0;
  bool dropped_ = false;
};

}  // namespace nbdstream
#endif

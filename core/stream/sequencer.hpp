// SPDX-License-Identifier: BSD-3-Clause
//
// Decides where the bytes of each request go in the stream. Pure: no I/O, no payload, no clock.
//
// The cursor C is the stream's position: every byte before C has been handed to the sink. This is
// the strict order, that of the old streaming plugin: a gap ahead of C is sent as zeroes at once,
// and what lies behind C cannot be placed any more.
#ifndef NBDSTREAM_STREAM_SEQUENCER_HPP
#define NBDSTREAM_STREAM_SEQUENCER_HPP

#include "stream/coverage.hpp"

#include <boost/system/result.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace nbdstream::stream {

/// Why a request has no place in the stream, which fails with it.
struct refusal {
  int error_number;  ///< errno for the client
  std::string why;   ///< one clause: what came, where the cursor was, what would have taken it
};

template <class T>
using result = boost::system::result<T, refusal>;

/// What the caller does for a request, in this order. All in bytes.
struct placement {
  std::uint64_t zeroes = 0;   ///< send so many zeroes,
  std::uint64_t payload = 0;  ///< then so much of the payload;
  std::uint64_t excess = 0;   ///< the rest of it lies beyond the size: drop it, it must be zero
};

class sequencer {
 public:
  struct limits {
    std::optional<std::uint64_t> size;  ///< the stream's length, where it is known
    std::uint64_t max_stream;           ///< where it is not: no byte at or beyond this
  };

  explicit sequencer(limits l) noexcept : limits_(l) {}

  /// Names [offset, offset + length), which check_request() found to lie within the export, and
  /// moves the cursor behind it: the caller must now send what the placement says, or abort.
  /// `length` is 1 or more.
  [[nodiscard]] result<placement> write(std::uint64_t offset, std::uint64_t length);
  [[nodiscard]] result<placement> write_zeroes(std::uint64_t offset, std::uint64_t length);

  /// Like write_zeroes for what lies ahead of the cursor; what lies behind it is a hint that comes
  /// too late, and is ignored.
  [[nodiscard]] result<placement> trim(std::uint64_t offset, std::uint64_t length);

  /// Whether [offset, offset + length) reads as zeroes; otherwise it was sent and is gone.
  [[nodiscard]] bool reads_as_zeroes(std::uint64_t offset) const noexcept {
    return offset >= cursor_;
  }

  /// The client is done. Where the size is known: `pad` sends the rest of it as zeroes. Returns
  /// how many zeroes the caller has to send; afterwards cursor() is the stream's length.
  [[nodiscard]] std::uint64_t finish(bool pad) noexcept;

  /// What was never named; final once finish() was called.
  [[nodiscard]] const coverage& unnamed() const noexcept { return unnamed_; }

  [[nodiscard]] std::uint64_t cursor() const noexcept { return cursor_; }

 private:
  [[nodiscard]] result<placement> place(std::uint64_t offset, std::uint64_t length, bool payload);

  limits limits_;
  std::uint64_t cursor_ = 0;
  coverage unnamed_;
};

}  // namespace nbdstream::stream
#endif

// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_ENCODING_DIFF_ENCODER_HPP
#define NBDSTREAM_ENCODING_DIFF_ENCODER_HPP

#include "encoding/encoder.hpp"

#include <array>
#include <vector>

namespace nbdstream::encoding {

/// "rbd diff v1" (diff/records.hpp): each piece of data is a record with its offset, so they may
/// come in any order, and again. Its last byte is the record 'e', which no stream has that was cut.
///
/// Records without payload are kept until the next payload, and go with it in one call.
class diff_encoder final : public encoder {
 public:
  /// `to` is borrowed.
  diff_encoder(const diff::header& h, sink::sink& to) : sink_(to), unsent_(diff::encode(h)) {}

  [[nodiscard]] awaitable<failure> open(const sink::stream_info& stream) override;
  [[nodiscard]] awaitable<failure> begin_data(std::uint64_t offset, std::uint64_t length) override;
  [[nodiscard]] awaitable<failure> write(std::span<const std::byte> data) override;
  [[nodiscard]] awaitable<failure> write_file(int from, std::uint64_t offset,
                                              std::uint64_t count) override;
  [[nodiscard]] awaitable<io::splice_result> splice(int socket, std::uint64_t count) override;
  [[nodiscard]] awaitable<failure> write_pieces(std::span<const piece> pieces) override;
  [[nodiscard]] awaitable<failure> write_zeroes(std::uint64_t offset,
                                                std::uint64_t length) override;
  [[nodiscard]] awaitable<failure> flush() override;
  [[nodiscard]] awaitable<failure> finish() override;
  [[nodiscard]] std::span<const std::byte> ending() const noexcept override;
  [[nodiscard]] awaitable<failure> end() override;
  [[nodiscard]] std::uint64_t length() const noexcept override { return length_; }

 private:
  struct range {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
  };
  void append(const std::array<std::byte, diff::record_size>& record);
  void end_zeroes();
  [[nodiscard]] awaitable<failure> send_parts();
  [[nodiscard]] awaitable<failure> send_unsent();

  sink::sink& sink_;
  std::vector<std::byte> unsent_;  ///< records, but for the payload of the last one
  range zeroes_;                   ///< what comes after unsent_: a run that may still grow
  std::vector<iovec> parts_;       ///< of the call under way
  std::uint64_t length_ = 0;
};

}  // namespace nbdstream::encoding
#endif

// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_ENCODING_RAW_ENCODER_HPP
#define NBDSTREAM_ENCODING_RAW_ENCODER_HPP

#include "encoding/encoder.hpp"

#include <vector>

namespace nbdstream::encoding {

/// The bytes of the disk as they are. State: they come in rising order, without a gap.
class raw_encoder final : public encoder {
 public:
  /// `to` is borrowed.
  explicit raw_encoder(sink::sink& to) noexcept : sink_(to) {}

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
  [[nodiscard]] awaitable<failure> end() override;
  [[nodiscard]] std::uint64_t length() const noexcept override { return length_; }

 private:
  sink::sink& sink_;
  std::vector<iovec> parts_;  ///< of write_pieces()
  std::uint64_t length_ = 0;
};

}  // namespace nbdstream::encoding
#endif

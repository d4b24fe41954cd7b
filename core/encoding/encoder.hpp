// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_ENCODING_ENCODER_HPP
#define NBDSTREAM_ENCODING_ENCODER_HPP

#include "diff/records.hpp"
#include "sink/sink.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace nbdstream::encoding {

using sink::failure;

/// Bytes of the disk that are in memory, and where on the disk they belong.
struct piece {
  std::uint64_t offset = 0;
  std::span<const std::byte> data;
};

/// How the bytes of a disk become the bytes of a stream: between the order of the stream, which
/// says what is sent next, and the sink, which takes it. One stream, from open() to end(); one
/// operation at a time. Offsets and lengths are those of the disk, in bytes. After a failure the
/// stream is torn, as in sink::write().
class encoder {
 public:
  virtual ~encoder() = default;

  /// Opens the sink for the stream.
  [[nodiscard]] virtual awaitable<failure> open(const sink::stream_info& stream) = 0;

  /// `length` bytes (1 or more) for `offset` follow, in any number of calls of write(),
  /// write_file() and splice(), and nothing else before they are all there.
  [[nodiscard]] virtual awaitable<failure> begin_data(std::uint64_t offset,
                                                      std::uint64_t length) = 0;
  [[nodiscard]] virtual awaitable<failure> write(std::span<const std::byte> data) = 0;
  /// As sink::write_file().
  [[nodiscard]] virtual awaitable<failure> write_file(int from, std::uint64_t offset,
                                                      std::uint64_t count) = 0;
  /// As sink::splice().
  [[nodiscard]] virtual awaitable<io::splice_result> splice(int socket, std::uint64_t count) = 0;

  /// Several pieces, none of them empty, without begin_data(): in one call of the system where the
  /// sink can do that.
  [[nodiscard]] virtual awaitable<failure> write_pieces(std::span<const piece> pieces) = 0;

  /// [offset, offset + length) is zeroes.
  [[nodiscard]] virtual awaitable<failure> write_zeroes(std::uint64_t offset,
                                                        std::uint64_t length) = 0;

  /// Hands over what it still has, and flushes the sink.
  [[nodiscard]] virtual awaitable<failure> flush() = 0;

  /// Nothing follows but end(): hands over what it still has, and waits until the reader has taken
  /// it, where that can be seen.
  [[nodiscard]] virtual awaitable<failure> finish() = 0;

  /// What end() will write.
  [[nodiscard]] virtual std::span<const std::byte> ending() const noexcept { return {}; }
  /// Says so to the reader. Only from now on the stream can be taken for a complete one. State:
  /// finish() has succeeded. The sink is to be committed then, with length().
  [[nodiscard]] virtual awaitable<failure> end() = 0;

  /// What the sink was given, in bytes of the stream.
  [[nodiscard]] virtual std::uint64_t length() const noexcept = 0;

  /// How many runs of zeroes it was given by write_zeroes(); those that touch are one.
  [[nodiscard]] std::uint64_t zero_runs() const noexcept { return zero_runs_; }

 protected:
  void count_zeroes(std::uint64_t offset, std::uint64_t length) noexcept {
    if (zero_runs_ == 0 || offset != zeroes_until_) ++zero_runs_;
    zeroes_until_ = offset + length;
  }

 private:
  std::uint64_t zero_runs_ = 0;
  std::uint64_t zeroes_until_ = 0;  ///< where the last one ended
};

/// What a stream is encoded as.
struct format {
  /// Where it is there: "rbd diff v1", with this header. Else the bytes of the disk, in their
  /// order.
  std::optional<diff::header> rbd_diff{};
};

/// `to` is borrowed.
[[nodiscard]] std::unique_ptr<encoder> make_encoder(const format& f, sink::sink& to);

}  // namespace nbdstream::encoding
#endif

// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_STAGE_FRAME_COMPRESSOR_HPP
#define NBDSTREAM_STAGE_FRAME_COMPRESSOR_HPP

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

// libzstd's own name: its header is for frame_compressor.cpp alone.
struct ZSTD_CCtx_s;

namespace nbdstream::stage {

/// Compresses one frame of Zstandard after the other, each with the size of its content and with a
/// checksum (XXH64) of it. One thread at a time.
class frame_compressor {
 public:
  /// `level`: as zstd(1) has them. Throws std::bad_alloc.
  explicit frame_compressor(int level);

  /// The most bytes that a frame of so much content has.
  [[nodiscard]] static std::size_t most_bytes(std::size_t content) noexcept;

  /// Returns how many bytes of `to` the frame has, which must have room for most_bytes(); or
  /// -ENOMEM, or -EIO for what else libzstd may say.
  [[nodiscard]] std::int64_t compress(std::span<const std::byte> content,
                                      std::span<std::byte> to) noexcept;

 private:
  struct free {
    void operator()(ZSTD_CCtx_s* context) const noexcept;
  };
  std::unique_ptr<ZSTD_CCtx_s, free> context_;
};

}  // namespace nbdstream::stage
#endif

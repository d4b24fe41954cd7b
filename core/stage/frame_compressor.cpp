// SPDX-License-Identifier: BSD-3-Clause
#include "stage/frame_compressor.hpp"

#include <zstd.h>
#include <zstd_errors.h>

#include <cerrno>
#include <new>

namespace nbdstream::stage {

void frame_compressor::free::operator()(ZSTD_CCtx_s* context) const noexcept {
  ZSTD_freeCCtx(context);
}

frame_compressor::frame_compressor(int level) : context_(ZSTD_createCCtx()) {
  if (!context_) throw std::bad_alloc();
  ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_compressionLevel, level);
  ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_contentSizeFlag, 1);
  ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_checksumFlag, 1);
}

std::size_t frame_compressor::most_bytes(std::size_t content) noexcept {
  return ZSTD_compressBound(content);
}

std::int64_t frame_compressor::compress(std::span<const std::byte> content,
                                        std::span<std::byte> to) noexcept {
  const auto n =
      ZSTD_compress2(context_.get(), to.data(), to.size(), content.data(), content.size());
  if (!ZSTD_isError(n)) return static_cast<std::int64_t>(n);
  return ZSTD_getErrorCode(n) == ZSTD_error_memory_allocation ? -ENOMEM : -EIO;
}

}  // namespace nbdstream::stage

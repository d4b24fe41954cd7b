// SPDX-License-Identifier: BSD-3-Clause
#include "source/frame_content.hpp"

#include <zstd.h>

#include <fmt/format.h>

#include <memory>
#include <new>

namespace nbdstream::source {

std::string decompress(std::span<const std::byte> compressed, std::size_t size,
                       std::vector<std::byte>& into) {
  const std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> context(ZSTD_createDCtx(),
                                                                     &ZSTD_freeDCtx);
  if (!context) throw std::bad_alloc();
  into.resize(size);
  const auto n = ZSTD_decompressDCtx(context.get(), into.data(), into.size(), compressed.data(),
                                     compressed.size());
  if (ZSTD_isError(n)) return ZSTD_getErrorName(n);
  if (n != size) return fmt::format("it has {} bytes of content", n);
  return {};
}

}  // namespace nbdstream::source

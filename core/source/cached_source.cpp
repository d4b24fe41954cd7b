// SPDX-License-Identifier: BSD-3-Clause
#include "source/cached_source.hpp"

#include <algorithm>
#include <utility>

namespace nbdstream::source {

cached_source::cached_source(std::shared_ptr<source> from, std::size_t block,
                             std::shared_ptr<frame_cache> cache)
    : from_(std::move(from)),
      block_(block),
      cache_(std::move(cache)),
      number_(cache_->add_source()) {}

failure cached_source::read(std::uint64_t offset, std::span<std::byte> into) {
  if (into.size() >= block_) return from_->read(offset, into);
  while (!into.empty()) {
    const auto index = offset / block_;
    const auto begin = index * block_;
    frame_cache::bytes content;
    const frame_cache::load load = [&](std::vector<std::byte>& to) {
      to.resize(std::min<std::uint64_t>(block_, size() - begin));
      return from_->read(begin, to);
    };
    auto failed = cache_->get({number_, index}, load, content);
    if (failed) return failed;
    const auto piece = std::min<std::size_t>(into.size(), content->size() - (offset - begin));
    std::copy_n(content->begin() + static_cast<std::ptrdiff_t>(offset - begin), piece,
                into.begin());
    offset += piece;
    into = into.subspan(piece);
  }
  return {};
}

}  // namespace nbdstream::source

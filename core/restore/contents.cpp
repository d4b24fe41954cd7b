// SPDX-License-Identifier: BSD-3-Clause
#include "restore/contents.hpp"

#include <algorithm>

namespace nbdstream::restore {

contents::contents(const scanned& diffs, const std::vector<input>& inputs)
    : diffs_(diffs), inputs_(inputs), buffer_(piece), zeroes_(piece) {}

std::optional<contents::part> contents::next() {
  const auto size = diffs_.diffs.size();
  const auto found = diffs_.extents.at_or_after(at_);
  // What no record names reads as zeroes, or is not ours to say.
  if (!diffs_.diffs.is_full() && (!found || found->begin > at_)) {
    if (!found) return std::nullopt;
    at_ = found->begin;
  }
  if (at_ >= size) return std::nullopt;
  const bool named = found && found->begin <= at_;
  const auto until = named ? found->end : found ? found->begin : size;
  const auto length = std::min<std::uint64_t>(until - at_, piece);
  const part result{at_, std::span(named && found->data ? buffer_ : zeroes_).first(length)};
  if (named && found->data) {
    inputs_[found->data->input].read_at(found->data->at + (at_ - found->begin),
                                        std::span(buffer_).first(length));
  }
  at_ += length;
  return result;
}

}  // namespace nbdstream::restore

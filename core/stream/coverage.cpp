// SPDX-License-Identifier: BSD-3-Clause
#include "stream/coverage.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace nbdstream::stream {

void coverage::add_hole(std::uint64_t begin, std::uint64_t end) noexcept {
  if (begin >= end) return;
  bytes_ += end - begin;
  if (count_ > 0 && count_ <= remembered && first_[count_ - 1].end == begin) {
    first_[count_ - 1].end = end;
    return;
  }
  if (count_ < remembered) first_[count_] = {begin, end};
  ++count_;
}

std::string coverage::describe() const {
  std::string text;
  const auto shown = std::min<std::uint64_t>(count_, remembered);
  for (std::uint64_t i = 0; i < shown; ++i) {
    const bool last = i + 1 == count_;
    fmt::format_to(std::back_inserter(text), "{}{} bytes at {}",
                   i == 0 ? ""
                   : last ? " and "
                          : ", ",
                   first_[i].end - first_[i].begin, first_[i].begin);
  }
  if (count_ > shown) {
    const auto more = count_ - shown;
    fmt::format_to(std::back_inserter(text), " and {} more range{}", more, more == 1 ? "" : "s");
  }
  return text;
}

}  // namespace nbdstream::stream

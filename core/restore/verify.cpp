// SPDX-License-Identifier: BSD-3-Clause
#include "restore/verify.hpp"

#include "restore/contents.hpp"
#include "restore/failure.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace nbdstream::restore {

void verify(const scanned& diffs, const std::vector<input>& inputs, target& of) {
  std::vector<std::byte> is(contents::piece);
  contents wanted(diffs, inputs);
  while (const auto next = wanted.next()) {
    const auto read = std::span(is).first(next->bytes.size());
    of.read(next->offset, read);
    const auto [at, ignored] = std::mismatch(read.begin(), read.end(), next->bytes.begin());
    if (at == read.end()) continue;
    const auto offset = next->offset + static_cast<std::uint64_t>(at - read.begin());
    throw failure(
        fmt::format("{} is not what the diffs say: the first byte that differs is at "
                    "offset {}",
                    of.name(), offset));
  }
}

}  // namespace nbdstream::restore

// SPDX-License-Identifier: BSD-3-Clause
#include "restore/cat.hpp"

#include "config/text.hpp"
#include "restore/contents.hpp"
#include "restore/failure.hpp"
#include "restore/input.hpp"
#include "restore/scan.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>

namespace nbdstream::restore {
namespace {

void write_out(std::span<const std::byte> data, const stop_signals& signals) {
  while (!data.empty()) {
    (void)signals.wait(STDOUT_FILENO, POLLOUT);
    const auto count = ::write(STDOUT_FILENO, data.data(), data.size());
    if (count >= 0) {
      data = data.subspan(static_cast<std::size_t>(count));
    } else if (errno == EPIPE) {
      throw failure("standard output: its reader has gone before it had all");
    } else if (errno != EINTR && errno != EAGAIN) {
      fail_with_errno("standard output", "writing failed");
    }
  }
}

}  // namespace

void cat(const std::vector<std::string>& diffs, const stop_signals& signals) {
  if (::isatty(STDOUT_FILENO) == 1)
    throw failure("standard output is a terminal, where a disk is of no use; redirect it");
  auto inputs = open_inputs(diffs, signals);
  for (auto& each : inputs) each.keep_in_file();
  // Nothing comes out before every diff was seen to its end.
  const auto all = scan(inputs, extents::wanted);
  if (!all.diffs.is_full())
    throw failure(
        fmt::format("{}: the diff begins from {}, so it is not a whole disk; a full one "
                    "must come first",
                    inputs.front().name(), config::quote(*all.diffs.first().from)));
  contents disk(all, inputs);
  while (const auto next = disk.next()) write_out(next->bytes, signals);
}

}  // namespace nbdstream::restore

// SPDX-License-Identifier: BSD-3-Clause
#include "receipt/path.hpp"

#include "config/text.hpp"
#include "io/error.hpp"
#include "receipt/file.hpp"

#include <fmt/format.h>

namespace nbdstream::receipt {

std::string path_of(std::string_view pattern, std::uint64_t id) {
  std::string path;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '%') {
      path += pattern[i];
      continue;
    }
    const char what = i + 1 < pattern.size() ? pattern[++i] : '\0';
    if (what == 'n') {
      path += std::to_string(id);
    } else if (what == '%') {
      path += '%';
    } else {
      throw config::error(
          fmt::format("--receipt {}: after '%' only 'n', the stream's number, or another '%' can "
                      "stand",
                      config::quote(pattern)));
    }
  }
  return path;
}

std::string describe_left_behind(std::string_view partial) {
  return fmt::format(
      "{}: an nbdstream ended during a commit. Its stream may be committed, but has no receipt. "
      "The "
      "file is removed",
      partial);
}

void try_receipts(const config::configuration& config, log::logger& log) {
  for (const auto& e : config.exports) {
    if (e.receipt.empty()) continue;
    file probe(path_of(e.receipt, 1));
    bool found = false;
    auto result = probe.clear_partial(found);
    if (found && result == 0) log.warning("{}", describe_left_behind(probe.partial()));
    if (result == 0) result = probe.try_out();
    if (result == 0) continue;
    if (result == -EBUSY) {
      throw config::error(fmt::format(
          "the receipt {} is being written by another nbdstream; give each its own file",
          config::quote(probe.path())));
    }
    if (result == -EEXIST || result == -EISDIR) {
      throw config::error(
          fmt::format("--receipt {}: a file that is not a receipt is there, and is not replaced; "
                      "give another path",
                      config::quote(probe.path())));
    }
    throw config::error(fmt::format(
        "the receipt {} cannot be written: {}; name a file in a directory that can be written",
        config::quote(probe.path()), from_errno(static_cast<int>(-result)).message()));
  }
}

}  // namespace nbdstream::receipt

// SPDX-License-Identifier: BSD-3-Clause
#include "log/log.hpp"

#include <poll.h>
#include <unistd.h>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <chrono>
#include <iterator>

namespace nbdstream::log {
namespace {

constexpr int patience_ms = 20;  // with a full pipe

constexpr std::string_view name(level l) {
  switch (l) {
    case level::error: return "error";
    case level::warning: return "warning";
    case level::info: return "info";
    case level::debug: return "debug";
  }
  return "info";
}

/// Control characters as escapes, so that a peer's text can neither forge a line nor drive a
/// terminal; for JSON the two that its strings reserve as well.
void append_escaped(std::string& out, std::string_view text, bool json) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (json && (c == '"' || c == '\\')) {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      out += json ? fmt::format("\\u{:04x}", byte) : fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
}

}  // namespace

void logger::line(level l, std::string_view text) noexcept try {
  if (!enabled(l)) return;
  std::string out;
  if (format_ == format::json) {
    const auto now =
        std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
    const auto ms = now.time_since_epoch().count() % 1000;
    out = fmt::format(R"({{"time":"{:%Y-%m-%dT%H:%M:%S}.{:03}Z","level":"{}","message":")",
                      fmt::gmtime(std::chrono::system_clock::to_time_t(now)), ms, name(l));
    append_escaped(out, text, true);
    out += "\"}\n";
  } else {
    out = "nbdstream: ";
    // As nbdkit and coreutils do, an ordinary line does not say that it is one.
    if (l != level::info) fmt::format_to(std::back_inserter(out), "{}: ", name(l));
    append_escaped(out, text, false);
    out += '\n';
  }
  // A log that cannot be written (a full disk, a closed terminal) must not end a stream.
  // Nor may one that nobody reads stop the loop: then lines are lost.
  pollfd ready{fd_, POLLOUT, 0};
  if (::poll(&ready, 1, patience_ms) != 1) return;
  [[maybe_unused]] const auto written = ::write(fd_, out.data(), out.size());
} catch (...) {
  // Only out of memory comes here, and then the line is lost.
}

}  // namespace nbdstream::log

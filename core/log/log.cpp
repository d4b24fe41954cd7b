// SPDX-License-Identifier: BSD-3-Clause
#include "log/log.hpp"

#include "log/json.hpp"
#include "log/timestamp.hpp"
#include "log/utf8.hpp"

#include <poll.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <iterator>
#include <variant>

namespace nbdstream::log {
namespace {

/// How long one line may wait for a full pipe.
constexpr auto patience = std::chrono::milliseconds(20);

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
/// terminal.
void append_text(std::string& out, std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
}

/// `,"name":value`. What is no number in JSON (infinite, say) is null.
void append_member(std::string& out, const field& f) {
  fmt::format_to(std::back_inserter(out), ",\"{}\":", f.name);
  if (const auto* const text = std::get_if<std::string_view>(&f.value)) {
    out += '"';
    append_json(out, *text);
    out += '"';
  } else if (const auto* const real = std::get_if<double>(&f.value)) {
    out += std::isfinite(*real) ? fmt::format("{:.3f}", *real) : "null";
  } else {
    out += std::to_string(std::get<std::uint64_t>(f.value));
  }
}

/// Whether `fd` takes anything within what is left until then.
bool writable(int fd, std::chrono::steady_clock::time_point until) noexcept {
  using std::chrono::milliseconds;
  for (;;) {
    const auto left = std::chrono::ceil<milliseconds>(until - std::chrono::steady_clock::now());
    pollfd ready{fd, POLLOUT, 0};
    const int count = ::poll(&ready, 1, static_cast<int>(std::max(left, milliseconds(0)).count()));
    if (count >= 0 || errno != EINTR) return count == 1;
  }
}

/// A log that cannot be written (a full disk, a closed terminal) must not end a stream. Nor may one
/// that nobody reads stop the loop: then lines are lost.
void write_or_drop(int fd, std::string_view text) noexcept {
  const auto until = std::chrono::steady_clock::now() + patience;
  while (!text.empty() && writable(fd, until)) {
    const auto written = ::write(fd, text.data(), text.size());
    if (written > 0) {
      text.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno != EINTR) {
      return;
    }
  }
}

}  // namespace

std::string render(format form, level l, std::string_view text, fields about) {
  std::string out;
  if (form == format::json) {
    out = fmt::format(R"({{"time":"{}","level":"{}","message":")",
                      timestamp(std::chrono::system_clock::now()), name(l));
    append_json(out, text);
    out += '"';
    for (const auto& f : about) append_member(out, f);
    return out += "}\n";
  }
  out = "nbdstream: ";
  // As nbdkit and coreutils do, an ordinary line does not say that it is one.
  if (l != level::info) fmt::format_to(std::back_inserter(out), "{}: ", name(l));
  append_text(out, text);
  return out += '\n';
}

void logger::write(level l, std::string_view text, fields about) noexcept try {
  write_or_drop(fd_, render(format_, l, text, about));
} catch (...) {
  // Only out of memory comes here, and then the line is lost.
}

}  // namespace nbdstream::log

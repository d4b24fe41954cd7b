// SPDX-License-Identifier: BSD-3-Clause
//
// Values as users write them. Every parse function takes the whole text and throws config::error
// with a message that shows the text and how to write it, to which the caller adds where it was.
#ifndef NBDSTREAM_CONFIG_PARSE_HPP
#define NBDSTREAM_CONFIG_PARSE_HPP

#include "config/config.hpp"

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

namespace nbdstream::config {

/// The longest time that can be configured. A deadline that far away still fits every clock.
inline constexpr nanoseconds longest_duration = std::chrono::hours(24 * 365 * 100);

/// A size in bytes, as nbdkit reads one: a decimal number with at most one suffix: b, k, m, g, t,
/// p, e in either case for powers of 1024, or s for sectors of 512. At most 2^63 - 1.
[[nodiscard]] std::uint64_t parse_size(std::string_view text);

/// A time: a decimal number, with a fraction or without, and one of ns, us, ms, s, m, h; seconds
/// where the unit is missing. What is finer than a nanosecond is dropped.
[[nodiscard]] nanoseconds parse_duration(std::string_view text);

/// true/false, t/f, yes/no, y/n, on/off, 1/0, in either case, as nbdkit reads them.
[[nodiscard]] bool parse_boolean(std::string_view text);

/// A decimal number from `least` to `most`.
[[nodiscard]] std::int64_t parse_integer(
    std::string_view text, std::int64_t least = std::numeric_limits<std::int64_t>::min(),
    std::int64_t most = std::numeric_limits<std::int64_t>::max());

/// The permissions of a file in octal digits, with a leading 0 or without: at most 0777.
[[nodiscard]] std::uint32_t parse_mode(std::string_view text);

/// "zstd", or "zstd:LEVEL" with a level as zstd(1) has them, from -7 (its --fast=7) to 19.
[[nodiscard]] int parse_compression(std::string_view text);

/// "unix:PATH", "unix:@NAME" (abstract), "unix:-" (a private socket), "tcp:HOST[:PORT]" with an
/// IPv6 HOST in brackets, or "vsock:PORT". An empty HOST is refused: it would mean loopback to some
/// and everywhere to others.
[[nodiscard]] listen_address parse_listen(std::string_view text);

/// Where metrics are served over TCP: "PORT" (of 127.0.0.1), "HOST:PORT" or "[IPV6]:PORT".
[[nodiscard]] listen_address parse_metrics_address(std::string_view text);

/// The text that parse_size(), parse_duration(), ... read as the same value.
[[nodiscard]] std::string format_size(std::uint64_t bytes);
[[nodiscard]] std::string format_duration(nanoseconds time);
[[nodiscard]] std::string format_mode(std::uint32_t mode);
[[nodiscard]] std::string format_compression(int level);
[[nodiscard]] std::string format_listen(const listen_address& address);
[[nodiscard]] std::string format_metrics_address(const listen_address& address);

}  // namespace nbdstream::config
#endif

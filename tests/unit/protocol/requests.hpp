// SPDX-License-Identifier: BSD-3-Clause
//
// Requests, and what may have been agreed on before them.
#ifndef NBDSTREAM_TESTS_UNIT_PROTOCOL_REQUESTS_HPP
#define NBDSTREAM_TESTS_UNIT_PROTOCOL_REQUESTS_HPP

#include "protocol/request.hpp"
#include "support/scripted_client.hpp"

#include <gtest/gtest.h>

#include <string>

namespace nbdstream::protocol::test {

namespace tf = transmission_flag;
inline constexpr std::uint16_t everything = tf::has_flags | tf::send_flush | tf::send_fua |
                                            tf::send_trim | tf::send_write_zeroes |
                                            tf::send_fast_zero | tf::send_cache;
inline constexpr auto with_df = static_cast<std::uint16_t>(everything | tf::send_df);
inline constexpr std::uint64_t kib = 1024, mib = kib * kib;
inline constexpr std::uint64_t huge = (std::uint64_t{1} << 63) - (std::uint64_t{1} << 30);
inline constexpr std::uint64_t top = ~std::uint64_t{0};

inline bytes as_bytes(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

inline request make(command type, std::uint64_t offset, std::uint64_t length,
                    std::uint16_t flags = 0) {
  return {.type = type, .flags = flags, .cookie = 1, .offset = offset, .length = length};
}

inline terms simple(std::uint64_t size, std::uint16_t flags = everything) {
  return {.size = size, .flags = flags};
}

/// Where status can be asked for.
inline terms agreed(form said, std::uint64_t size = huge) {
  terms t{size, with_df, said, true};
  if (said == form::extended) t.flags |= tf::block_status_payload;
  return t;
}

}  // namespace nbdstream::protocol::test
#endif

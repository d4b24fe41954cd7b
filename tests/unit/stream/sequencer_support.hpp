// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_TESTS_UNIT_STREAM_SEQUENCER_SUPPORT_HPP
#define NBDSTREAM_TESTS_UNIT_STREAM_SEQUENCER_SUPPORT_HPP

#include "stream/sequencer.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <string_view>

namespace nbdstream::stream {

using place = placement::place;

inline constexpr std::uint64_t kib = 1024;
inline constexpr std::uint64_t mib = kib * kib;
inline constexpr std::uint64_t tib = mib * mib;

inline sequencer::limits in_order(order mode, std::optional<std::uint64_t> size = std::nullopt) {
  sequencer::limits l;
  l.size = size;
  l.max_stream = 64 * tib;
  l.mode = mode;
  l.window = mib;
  return l;
}
inline sequencer::limits with_window(std::uint64_t bytes, order mode = order::window) {
  auto l = in_order(mode);
  l.window = bytes;
  return l;
}

/// It is sent at once: zeroes, then so much payload.
inline void expect_sent(const result<placement>& r, std::uint64_t zeroes, std::uint64_t payload,
                        std::uint64_t excess = 0) {
  ASSERT_TRUE(r) << r.error().why;
  EXPECT_EQ(r->where, place::next);
  EXPECT_EQ(r->zeroes, zeroes);
  EXPECT_EQ(r->payload, payload);
  EXPECT_EQ(r->excess, excess);
}

inline void expect_place(const result<placement>& r, place where) {
  ASSERT_TRUE(r) << r.error().why;
  EXPECT_EQ(r->where, where);
}

inline void expect_refused(const result<placement>& r, int error_number,
                           std::string_view says = {}) {
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().error_number, error_number);
  EXPECT_NE(r.error().why.find(says), std::string::npos) << r.error().why;
}

/// A write that is held, all its bytes being `fill`.
inline void hold(sequencer& s, std::uint64_t offset, std::uint64_t length, char fill = 'x') {
  const auto r = s.write(offset, length);
  ASSERT_TRUE(r) << r.error().why;
  ASSERT_TRUE(r->where == place::memory || r->where == place::spill);
  if (r->where == place::memory) {
    for (auto& b : r->block->piece(r->block->offset(), r->block->end()))
      b = static_cast<std::byte>(fill);
  }
  s.payload_arrived(*r);
}

/// All that comes next: zeroes as '0', spilled bytes as 's', what is in memory as it is.
inline std::string take_all(sequencer& s) {
  std::string out;
  while (const auto step = s.next()) {
    const auto& e = step->held;
    out.append(step->zeroes, '0');
    if (e.what == content::spill) out.append(e.end - e.begin, 's');
    if (e.what != content::memory) continue;
    for (const auto b : e.block->piece(e.begin, e.end)) out += static_cast<char>(b);
  }
  return out;
}

}  // namespace nbdstream::stream
#endif

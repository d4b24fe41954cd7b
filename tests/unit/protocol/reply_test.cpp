// SPDX-License-Identifier: BSD-3-Clause
#include "protocol/reply.hpp"

#include <gtest/gtest.h>

#include <string>

namespace nbdstream::protocol {
namespace {

std::string text(const std::vector<std::byte>& in) {
  return {reinterpret_cast<const char*>(in.data()), in.size()};
}

TEST(Reply, HasMagicErrorAndTheClientsCookie) {
  std::vector<std::byte> out;
  append_simple_reply(out, 0x0102030405060708, wire_error::nospc);
  EXPECT_EQ(text(out), std::string("\x67\x44\x66\x98\0\0\0\x1c\1\2\3\4\5\6\7\x08", 16));
  append_simple_reply(out, ~std::uint64_t{0}, wire_error::none);
  EXPECT_EQ(out.size(), 2 * simple_reply_size);
}

TEST(Wire, GivesBackWhatWasPut) {
  std::vector<std::byte> out;
  writer(out)
      .put(std::uint16_t{0xfffe})
      .put(std::uint32_t{0x80000001})
      .put(std::uint64_t{0x8000000000000001})
      .text("text")
      .zeroes(2);
  EXPECT_EQ(text(out), std::string("\xff\xfe\x80\0\0\1\x80\0\0\0\0\0\0\1text\0\0", 20));
  reader in(out);
  EXPECT_EQ(in.take<std::uint16_t>(), 0xfffe);
  EXPECT_EQ(in.take<std::uint32_t>(), 0x80000001);
  EXPECT_EQ(in.take<std::uint64_t>(), 0x8000000000000001);
  EXPECT_EQ(in.text(4), "text");
  EXPECT_EQ(in.left(), 2u);
}

TEST(Wire, ReadsFromAnyAlignment) {
  for (std::size_t shift = 0; shift < 8; ++shift) {
    std::vector<std::byte> out(shift);
    writer(out).put(std::uint64_t{0x1122334455667788});
    reader in(bytes(out).subspan(shift));
    EXPECT_EQ(in.take<std::uint64_t>(), 0x1122334455667788u);
  }
}

}  // namespace
}  // namespace nbdstream::protocol

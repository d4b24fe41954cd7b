// SPDX-License-Identifier: BSD-3-Clause
#include "protocol/reply.hpp"

#include <gtest/gtest.h>

#include <string>

namespace nbdstream::protocol {
namespace {

std::string text(const std::vector<std::byte>& in) {
  return {reinterpret_cast<const char*>(in.data()), in.size()};
}

using namespace std::string_literals;

constexpr cookie asked{0x0102030405060708, 0x1112131415161718};
const auto cookie = "\1\2\3\4\5\6\7\x08"s;
const auto encoded_offset = "\x11\x12\x13\x14\x15\x16\x17\x18"s;
const auto simple_magic = "\x67\x44\x66\x98"s;
const auto structured_magic = "\x66\x8e\x33\xef"s;
const auto extended_magic = "\x6e\x8a\x27\x8c"s;

/// What `say` appends.
template <class Say>
std::string said(form f, Say say) {
  std::vector<std::byte> out;
  reply_writer replies(out, f);
  say(replies);
  return text(out);
}

TEST(Reply, OfSuccessIsSimpleUnlessHeadersAreExtended) {
  const auto success = [](reply_writer& r) { r.success(asked); };
  EXPECT_EQ(said(form::simple, success), simple_magic + "\0\0\0\0"s + cookie);
  EXPECT_EQ(said(form::structured, success), simple_magic + "\0\0\0\0"s + cookie);
  EXPECT_EQ(said(form::extended, success),
            extended_magic + "\0\1\0\0"s + cookie + encoded_offset + std::string(8, '\0'));
}

TEST(Reply, OfNoContentIsAChunk) {
  const auto nothing = [](reply_writer& r) { r.nothing(asked); };
  EXPECT_EQ(said(form::structured, nothing), structured_magic + "\0\1\0\0"s + cookie + "\0\0\0\0"s);
  EXPECT_EQ(said(form::extended, nothing),
            extended_magic + "\0\1\0\0"s + cookie + encoded_offset + std::string(8, '\0'));
}

TEST(Reply, OfAnErrorHasItsTextWhereThatCanBeSaid) {
  const auto failure = [](reply_writer& r) { r.failure(asked, wire_error::nospc, "full"); };
  EXPECT_EQ(said(form::simple, failure), simple_magic + "\0\0\0\x1c"s + cookie);
  EXPECT_EQ(said(form::structured, failure),
            structured_magic + "\0\1\x80\1"s + cookie + "\0\0\0\x0a\0\0\0\x1c\0\4"s + "full");
  EXPECT_EQ(said(form::extended, failure), extended_magic + "\0\1\x80\1"s + cookie +
                                               encoded_offset +
                                               "\0\0\0\0\0\0\0\x0a\0\0\0\x1c\0\4"s + "full");
}

TEST(Reply, OfAnErrorCutsTextAt4096Bytes) {
  const auto failure = [](reply_writer& r) {
    r.failure(asked, wire_error::io, std::string(70'000, 'x'));
  };
  const auto out = said(form::structured, failure);
  EXPECT_EQ(out.size(), 20u + 6 + 4096);
  EXPECT_EQ(out.substr(16, 10), "\0\0\x10\x06\0\0\0\5\x10\0"s);
}

TEST(Reply, WithDataHasTheirOffset) {
  const auto data = [](bool last) {
    return [last](reply_writer& r) { r.data(asked, 0x2122232425262728, 0x01020304, last); };
  };
  const auto place = "\x21\x22\x23\x24\x25\x26\x27\x28"s;
  EXPECT_EQ(said(form::simple, data(true)), simple_magic + "\0\0\0\0"s + cookie);
  EXPECT_EQ(said(form::structured, data(true)),
            structured_magic + "\0\1\0\1"s + cookie + "\1\2\3\x0c"s + place);
  EXPECT_EQ(said(form::structured, data(false)),
            structured_magic + "\0\0\0\1"s + cookie + "\1\2\3\x0c"s + place);
  EXPECT_EQ(said(form::extended, data(false)),
            extended_magic + "\0\0\0\1"s + cookie + encoded_offset + "\0\0\0\0\1\2\3\x0c"s + place);
}

TEST(Reply, WithAHoleHasItsOffsetAndLength) {
  const auto hole = [](bool last) {
    return [last](reply_writer& r) { r.hole(asked, 0x2122232425262728, 0x01020304, last); };
  };
  const auto place = "\x21\x22\x23\x24\x25\x26\x27\x28\1\2\3\4"s;
  EXPECT_EQ(said(form::structured, hole(false)),
            structured_magic + "\0\0\0\2"s + cookie + "\0\0\0\x0c"s + place);
  EXPECT_EQ(said(form::extended, hole(true)),
            extended_magic + "\0\1\0\2"s + cookie + encoded_offset + "\0\0\0\0\0\0\0\x0c"s + place);
}

TEST(Reply, ToBlockStatusListsExtentsOfTheWidthOfItsForm) {
  const auto status = [](reply_writer& r) {
    const status_extent extents[] = {{0x01020304, 3}, {5, 0}};
    r.status(asked, extents);
  };
  EXPECT_EQ(said(form::structured, status), structured_magic + "\0\1\0\5"s + cookie +
                                                "\0\0\0\x14\0\0\0\1"s +
                                                "\1\2\3\4\0\0\0\3\0\0\0\5\0\0\0\0"s);
  EXPECT_EQ(said(form::extended, status), extended_magic + "\0\1\0\6"s + cookie + encoded_offset +
                                              "\0\0\0\0\0\0\0\x28\0\0\0\1\0\0\0\2"s +
                                              "\0\0\0\0\1\2\3\4\0\0\0\0\0\0\0\3"s +
                                              "\0\0\0\0\0\0\0\5\0\0\0\0\0\0\0\0"s);
}

TEST(Reply, IsAppendedToWhatIsThere) {
  std::vector<std::byte> out(3);
  reply_writer(out, form::simple).success(asked);
  reply_writer(out, form::simple).success(asked);
  EXPECT_EQ(out.size(), 3 + 2 * simple_reply_size);
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

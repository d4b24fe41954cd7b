// SPDX-License-Identifier: BSD-3-Clause
#include "requests.hpp"

namespace nbdstream::protocol {
namespace {

using namespace test;

wire_error check(command type, std::uint64_t offset, std::uint64_t length, std::uint64_t size,
                 std::uint16_t flags = 0) {
  const auto v = check_request(make(type, offset, length, flags), simple(size));
  EXPECT_EQ(v.why.empty(), v.error == wire_error::none);
  EXPECT_FALSE(v.disconnect);
  return v.error;
}

TEST(Request, IsDecodedFieldByField) {
  const auto text = nbdstream::test::request_message(0x1234, 0x5678, 0x1122334455667788,
                                                     0x99aabbccddeeff00, 0xfedcba98);
  ASSERT_EQ(text.size(), request_size);
  const auto r = decode_request(as_bytes(text), simple(0));
  ASSERT_TRUE(r);
  EXPECT_EQ(r->flags, 0x1234);
  EXPECT_EQ(static_cast<int>(r->type), 0x5678);
  EXPECT_EQ(r->cookie, 0x1122334455667788u);
  EXPECT_EQ(r->offset, 0x99aabbccddeeff00u);
  EXPECT_EQ(r->length, 0xfedcba98u);
}

TEST(Request, AnyWrongBitOfTheMagicIsRefused) {
  const auto good = nbdstream::test::request_message(0, 0, 0, 0, 0);
  for (int bit = 0; bit < 32; ++bit) {
    auto bad = good;
    bad[static_cast<std::size_t>(bit / 8)] ^= static_cast<char>(1 << bit % 8);
    EXPECT_FALSE(decode_request(as_bytes(bad), simple(0))) << bit;
  }
}

TEST(Request, OnlyAWriteHasAPayload) {
  for (int type = 0; type < 12; ++type) {
    const auto r = make(static_cast<command>(type), 0, 17);
    EXPECT_EQ(r.payload(), type == 1 ? 17u : 0u) << type;
    EXPECT_EQ(r.writes(), type == 1 || type == 4 || type == 6) << type;
    EXPECT_FALSE(name_of(r.type).empty());
  }
}

struct place {
  std::uint64_t offset, length, size;
  bool reads, writes;  ///< whether that is allowed
};

TEST(Request, MustLieWithinTheExport) {
  constexpr place table[] = {
      {0, 0, 0, true, true},
      {0, 1, 0, false, false},
      {0, 1024, 1024, true, true},
      {1023, 1, 1024, true, true},
      {1024, 0, 1024, true, true},
      {1024, 1, 1024, false, false},
      {1025, 0, 1024, false, false},
      {1, 1024, 1024, false, false},
      // Writes may go up to the next multiple of 512.
      {0, 512, 1, false, true},
      {0, 513, 1, false, false},
      {511, 1, 1, false, true},
      {512, 0, 1, false, true},
      {512, 1, 1, false, false},
      {0, 1536, 1025, false, true},
      {0, 1537, 1025, false, false},
      {1025, 511, 1025, false, true},
      {1025, 512, 1025, false, false},
      // At the ends of the world.
      {huge - 1, 1, huge, true, true},
      {huge, 1, huge, false, false},
      {std::uint64_t{1} << 63, 1, huge, false, false},
      {top, 1, huge, false, false},
      {top, 0, huge, false, false},
      {top - 1, 2, huge, false, false},
      {top - 511, 512, 1024, false, false},
      {top - 99, 200, 1024, false, false},
      {0, 1, (std::uint64_t{1} << 63) - 1, true, true},
      {(std::uint64_t{1} << 63) - 2, 1, (std::uint64_t{1} << 63) - 1, true, true},
      {(std::uint64_t{1} << 63) - 1, 1, (std::uint64_t{1} << 63) - 1, false, true},
      {std::uint64_t{1} << 63, 1, (std::uint64_t{1} << 63) - 1, false, false},
  };
  for (const auto& p : table) {
    SCOPED_TRACE(std::to_string(p.length) + " at " + std::to_string(p.offset) + " of " +
                 std::to_string(p.size));
    const auto none = wire_error::none;
    EXPECT_EQ(check(command::read, p.offset, p.length, p.size), p.reads ? none : wire_error::inval);
    EXPECT_EQ(check(command::write, p.offset, p.length, p.size),
              p.writes ? none : wire_error::nospc);
    EXPECT_EQ(check(command::write_zeroes, p.offset, p.length, p.size),
              p.writes ? none : wire_error::nospc);
    EXPECT_EQ(check(command::trim, p.offset, p.length, p.size),
              p.writes ? none : wire_error::inval);
  }
}

TEST(Request, WriteAndReadHaveALargestLength) {
  EXPECT_EQ(check(command::write, 0, 32 * mib, huge), wire_error::none);
  EXPECT_EQ(check(command::write, 0, 32 * mib + 1, huge), wire_error::inval);
  EXPECT_EQ(check(command::write, 0, 128 * mib, huge), wire_error::inval);
  for (const std::uint64_t length : {128 * mib + 1, std::uint64_t{0xffffffff}}) {
    EXPECT_TRUE(check_request(make(command::write, 0, length), simple(huge)).disconnect);
    // Even where it is refused for another reason as well.
    EXPECT_TRUE(check_request(make(command::write, top, length, 0xffff), simple(huge)).disconnect);
  }
  EXPECT_EQ(check(command::read, 0, 32 * mib, huge), wire_error::none);
  EXPECT_EQ(check(command::read, 0, 32 * mib + 1, huge), wire_error::inval);
  EXPECT_EQ(check(command::read, 0, 0xffffffff, huge), wire_error::inval);
  EXPECT_EQ(check(command::write_zeroes, 0, 0xffffffff, huge), wire_error::none);
  EXPECT_EQ(check(command::trim, 0, 0xffffffff, huge), wire_error::none);
}

TEST(Request, UnknownCommandIsInvalid) {
  for (const int type : {8, 9, 100, 0x7fff, 0x8000, 0xffff}) {
    EXPECT_EQ(check(static_cast<command>(type), 0, 1, huge), wire_error::inval) << type;
  }
}

TEST(Request, MayUseOnlyOfferedCommandsAndFlags) {
  const auto refused = [](command type, std::uint16_t offered, std::uint16_t flags = 0) {
    return check_request(make(type, 0, 0, flags), simple(huge, offered)).error == wire_error::inval;
  };
  EXPECT_TRUE(refused(command::flush, tf::has_flags));
  EXPECT_TRUE(refused(command::trim, tf::has_flags));
  EXPECT_TRUE(refused(command::write_zeroes, tf::has_flags));
  EXPECT_TRUE(refused(command::cache, tf::has_flags));
  EXPECT_TRUE(refused(command::block_status, everything));
  EXPECT_TRUE(refused(command::read, everything, command_flag::df));
  EXPECT_FALSE(refused(command::read, with_df, command_flag::df));
  EXPECT_FALSE(refused(command::write, tf::has_flags));
  EXPECT_TRUE(refused(command::write, tf::has_flags, command_flag::fua));
  EXPECT_FALSE(refused(command::write, tf::has_flags | tf::send_fua, command_flag::fua));
  const auto zeroes = static_cast<std::uint16_t>(tf::has_flags | tf::send_write_zeroes);
  EXPECT_TRUE(refused(command::write_zeroes, zeroes, command_flag::fast_zero));
}

TEST(Request, MaySetOnlyTheFlagsOfItsCommand) {
  for (int bit = 0; bit < 16; ++bit) {
    const auto flag = static_cast<std::uint16_t>(1 << bit);
    const bool fua = flag == 1;
    const bool zeroing = fua || flag == 2 || flag == 16;
    const auto none = wire_error::none;
    const auto inval = wire_error::inval;
    EXPECT_EQ(check(command::write, 0, 1, huge, flag), fua ? none : inval) << bit;
    EXPECT_EQ(check(command::trim, 0, 1, huge, flag), fua ? none : inval) << bit;
    EXPECT_EQ(check(command::read, 0, 1, huge, flag), fua ? none : inval) << bit;
    EXPECT_EQ(check(command::flush, 0, 0, huge, flag), fua ? none : inval) << bit;
    EXPECT_EQ(check(command::cache, 0, 1, huge, flag), fua ? none : inval) << bit;
    EXPECT_EQ(check(command::write_zeroes, 0, 1, huge, flag), zeroing ? none : inval) << bit;
    EXPECT_EQ(check(command::disconnect, 0, 0, huge, flag), none) << bit;
  }
}

TEST(Request, FlushHasNeitherOffsetNorLength) {
  EXPECT_EQ(check(command::flush, 0, 0, huge), wire_error::none);
  EXPECT_EQ(check(command::flush, 1, 0, huge), wire_error::inval);
  EXPECT_EQ(check(command::flush, 0, 1, huge), wire_error::inval);
}

TEST(Request, DisconnectIsAcceptedWithAnyFields) {
  EXPECT_EQ(check(command::disconnect, top, 0xffffffff, 0, 0xffff), wire_error::none);
}

TEST(Request, CacheMustLieWithinTheExport) {
  EXPECT_EQ(check(command::cache, 0, 1024, 1024), wire_error::none);
  EXPECT_EQ(check(command::cache, 0, 0xffffffff, huge), wire_error::none);
  EXPECT_EQ(check(command::cache, 1, 1024, 1024), wire_error::inval);
}

TEST(Request, ReadOver32MibGivesEoverflowWithStructuredReplies) {
  for (const auto said : {form::structured, form::extended}) {
    auto r = make(command::read, 0, 32 * mib + 1);
    r.extended = said == form::extended;
    EXPECT_EQ(check_request(r, agreed(said)).error, wire_error::overflow);
    --r.length;
    EXPECT_EQ(check_request(r, agreed(said)).error, wire_error::none);
  }
}

TEST(Request, BlockStatusNeedsAContextAndLiesWithinTheExport) {
  const auto status = [](std::uint64_t offset, std::uint64_t length, std::uint16_t flags = 0) {
    return check_request(make(command::block_status, offset, length, flags),
                         agreed(form::structured, 1025))
        .error;
  };
  EXPECT_EQ(status(0, 1025), wire_error::none);
  EXPECT_EQ(status(1024, 1), wire_error::none);
  EXPECT_EQ(status(0, 1025, command_flag::req_one | command_flag::fua), wire_error::none);
  EXPECT_EQ(status(0, 0), wire_error::inval);
  EXPECT_EQ(status(0, 1026), wire_error::inval) << "it is no write";
  EXPECT_EQ(status(1025, 1), wire_error::inval);
  EXPECT_EQ(status(top, 0xffffffff), wire_error::inval);
  for (int bit = 0; bit < 16; ++bit) {
    const bool known = bit == 0 || bit == 3;
    EXPECT_EQ(status(0, 1, static_cast<std::uint16_t>(1 << bit)),
              known ? wire_error::none : wire_error::inval)
        << bit;
  }
  auto without = agreed(form::structured);
  without.allocation = false;
  EXPECT_EQ(check_request(make(command::block_status, 0, 1), without).error, wire_error::inval);
}

}  // namespace
}  // namespace nbdstream::protocol

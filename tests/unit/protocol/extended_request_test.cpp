// SPDX-License-Identifier: BSD-3-Clause
//
// Requests where extended headers were agreed on.
#include "requests.hpp"

namespace nbdstream::protocol {
namespace {

using namespace test;

request with_extended_header(command type, std::uint64_t offset, std::uint64_t length,
                             std::uint16_t flags = 0) {
  auto r = make(type, offset, length, flags);
  r.extended = true;
  return r;
}

constexpr auto payload_len = command_flag::payload_len;

TEST(ExtendedRequest, IsDecodedFieldByField) {
  const auto text = nbdstream::test::extended_request(0x1234, 0x5678, 0x1122334455667788,
                                                      0x99aabbccddeeff00, 0xfedcba9876543210);
  const auto terms = agreed(form::extended);
  ASSERT_EQ(text.size(), terms.header_size());
  EXPECT_EQ(agreed(form::structured).header_size(), request_size);
  const auto r = decode_request(as_bytes(text), terms);
  ASSERT_TRUE(r);
  EXPECT_TRUE(r->extended);
  EXPECT_EQ(r->flags, 0x1234);
  EXPECT_EQ(static_cast<int>(r->type), 0x5678);
  EXPECT_EQ(r->cookie, 0x1122334455667788u);
  EXPECT_EQ(r->offset, 0x99aabbccddeeff00u);
  EXPECT_EQ(r->length, 0xfedcba9876543210u);
}

TEST(ExtendedRequest, AnyWrongBitOfTheMagicIsRefused) {
  const auto good = nbdstream::test::extended_request(0, 0, 0, 0, 0);
  for (int bit = 0; bit < 32; ++bit) {
    auto bad = good;
    bad[static_cast<std::size_t>(bit / 8)] ^= static_cast<char>(1 << bit % 8);
    EXPECT_FALSE(decode_request(as_bytes(bad), agreed(form::extended))) << bit;
  }
}

TEST(ExtendedRequest, HeaderOfTheOtherFormIsRefused) {
  const auto compact = nbdstream::test::request_message(0, 0, 0, 0, 0) + "four";
  EXPECT_FALSE(decode_request(as_bytes(compact), agreed(form::extended)));
  const auto large = nbdstream::test::extended_request(0, 0, 0, 0, 0);
  EXPECT_FALSE(decode_request(as_bytes(large), agreed(form::structured)));
  EXPECT_FALSE(decode_request(as_bytes(large), simple(0)));
}

TEST(ExtendedRequest, PayloadLenFlagMeansAPayload) {
  for (int type = 0; type < 12; ++type) {
    const auto with = with_extended_header(static_cast<command>(type), 0, 17, payload_len);
    EXPECT_EQ(with.payload(), 17u) << type;
    EXPECT_EQ(with_extended_header(static_cast<command>(type), 0, 17).payload(),
              type == 1 ? 17u : 0u)
        << type;
    EXPECT_EQ(make(static_cast<command>(type), 0, 17, payload_len).payload(), type == 1 ? 17u : 0u);
  }
}

// "Request message" has a SHOULD for the flag, and QEMU 10 does not set it.
TEST(ExtendedRequest, WriteNeedsNoPayloadLenFlag) {
  const auto v = check_request(with_extended_header(command::write, 0, 17), agreed(form::extended));
  EXPECT_FALSE(v.disconnect);
  EXPECT_EQ(v.error, wire_error::none);
}

TEST(ExtendedRequest, LengthHas64BitsWithoutAPayload) {
  for (const auto type :
       {command::write_zeroes, command::trim, command::cache, command::block_status}) {
    EXPECT_EQ(check_request(with_extended_header(type, 0, huge), agreed(form::extended)).error,
              wire_error::none);
    for (const auto length : {huge + 1, top}) {
      const auto v = check_request(with_extended_header(type, 0, length), agreed(form::extended));
      EXPECT_NE(v.error, wire_error::none);
      EXPECT_FALSE(v.disconnect);
    }
    EXPECT_NE(check_request(with_extended_header(type, top, top), agreed(form::extended)).error,
              wire_error::none);
  }
}

TEST(ExtendedRequest, PayloadOver32MibClosesTheConnection) {
  for (int type = 0; type < 12; ++type) {
    for (const auto length : {32 * mib + 1, std::uint64_t{1} << 32, top}) {
      const auto r = with_extended_header(static_cast<command>(type), 0, length, payload_len);
      EXPECT_TRUE(check_request(r, agreed(form::extended)).disconnect) << type;
    }
    const auto r = with_extended_header(static_cast<command>(type), 0, 32 * mib, payload_len);
    EXPECT_FALSE(check_request(r, agreed(form::extended)).disconnect) << type;
  }
  EXPECT_EQ(check_request(with_extended_header(command::write, 0, 32 * mib, payload_len),
                          agreed(form::extended))
                .error,
            wire_error::none);
}

TEST(ExtendedRequest, OtherCommandsMayHaveNoPayload) {
  for (const auto type :
       {command::read, command::flush, command::trim, command::cache, command::write_zeroes}) {
    EXPECT_EQ(
        check_request(with_extended_header(type, 0, 12, payload_len), agreed(form::extended)).error,
        wire_error::inval);
  }
}

TEST(ExtendedRequest, BlockStatusMayHaveAPayloadOf12Bytes) {
  const auto status = [](std::uint64_t length) {
    return check_request(with_extended_header(command::block_status, top, length, payload_len),
                         agreed(form::extended))
        .error;
  };
  EXPECT_EQ(status(12), wire_error::none) << "what it is about is not known yet";
  for (const std::uint64_t length : {0, 4, 8, 11, 13, 16, 4096}) {
    EXPECT_EQ(status(length), wire_error::inval) << length;
  }
  auto unoffered = agreed(form::extended);
  unoffered.flags = with_df;
  EXPECT_EQ(
      check_request(with_extended_header(command::block_status, 0, 12, payload_len), unoffered)
          .error,
      wire_error::inval);
}

TEST(ExtendedRequest, BlockStatusPayloadSetsTheLength) {
  using nbdstream::test::big_endian;
  const auto r =
      with_extended_header(command::block_status, 7, 12, payload_len | command_flag::req_one);
  auto asked = r;
  EXPECT_TRUE(
      apply_status_payload(asked, as_bytes(big_endian(0x1122334455667788, 8) + big_endian(1, 4))));
  EXPECT_EQ(asked.offset, 7u);
  EXPECT_EQ(asked.length, 0x1122334455667788u);
  EXPECT_EQ(asked.flags, command_flag::req_one);
  EXPECT_EQ(asked.payload(), 0u);
  EXPECT_EQ(asked.cookie, r.cookie);
  const auto refused = [&](const std::string& payload) {
    asked = r;
    const bool taken = apply_status_payload(asked, as_bytes(payload));
    EXPECT_EQ(asked.payload(), 0u) << "it was received";
    return !taken;
  };
  for (const std::uint32_t other : {0U, 2U, 0x01000000U, 0xffffffffU}) {
    EXPECT_TRUE(refused(big_endian(1, 8) + big_endian(other, 4))) << other;
  }
  EXPECT_TRUE(refused(big_endian(1, 8)));
  EXPECT_TRUE(refused(big_endian(1, 8) + big_endian(1, 4) + big_endian(1, 4)));
}

}  // namespace
}  // namespace nbdstream::protocol

// SPDX-License-Identifier: BSD-3-Clause
//
// What hostile clients send in the handshake.
#include "handshake.hpp"

#include <random>

namespace nbdstream::protocol {
namespace {

using namespace test;
using nbdstream::test::meta_data;
using state = negotiator::state;

std::string header(std::uint32_t option, std::uint32_t length) {
  return "IHAVEOPT" + big_endian(option, 4) + big_endian(length, 4);
}

void expect_violated(const std::string& script) {
  handshake h(script);
  EXPECT_EQ(h.machine.current(), state::violated);
  EXPECT_FALSE(h.machine.why().empty());
}

TEST(NegotiatorAbuse, UnknownClientFlagsCloseTheConnection) {
  for (int bit = 2; bit < 32; ++bit) expect_violated(big_endian(3U | 1U << bit, 4));
}

TEST(NegotiatorAbuse, OptionWithWrongMagicClosesTheConnection) {
  expect_violated(flags() + std::string(16, 'x'));
  expect_violated(flags() + std::string(16, '\0'));
}

TEST(NegotiatorAbuse, DataOfMoreThan64KibCloseTheConnection) {
  for (const std::uint32_t o : {1U, 2U, 3U, 6U, 7U, 8U, 99U}) {
    expect_violated(flags() + header(o, (64 << 10) + 1));
    expect_violated(flags() + header(o, 0xffffffff));
    expect_violated(flags() + header(o, 0x80000000));
  }
}

TEST(NegotiatorAbuse, DataOfUpTo64KibAreSkippedAndRefused) {
  for (const std::uint32_t o : {3U, 6U, 7U, 8U, 99U}) {
    for (const std::size_t length : {5000U, 8192U, 65535U, 65536U}) {
      expect_refused(option_message(o, std::string(length, 'x')), err_too_big);
    }
  }
}

TEST(NegotiatorAbuse, NextOptionWorksAfterSkippedData) {
  handshake h(flags() + option_message(99, std::string(65536, 'x')) +
              option_message(go, info_data("bb")));
  EXPECT_EQ(h.machine.current(), state::transmission);
}

TEST(NegotiatorAbuse, LongestNameHas4096Bytes) {
  const std::string name(4096, 'n');
  const export_info one[] = {{name, "", 1, 1}, {"other", "", 1, 1}};
  handshake longest(flags() + option_message(go, info_data(name)), one);
  EXPECT_EQ(longest.machine.current(), state::transmission);
  handshake by_name(flags() + option_message(1, name), one);
  EXPECT_EQ(by_name.machine.current(), state::transmission);
  expect_refused(option_message(go, info_data(name + "n")), err_too_big);
  expect_violated(flags() + option_message(1, name + "n"));
  expect_violated(flags() + option_message(1, std::string(65536, 'n')));
}

TEST(NegotiatorAbuse, WrongLengthInsideTheDataIsInvalid) {
  const std::string rest = "a" + big_endian(0, 2);
  for (const std::uint32_t length :
       {2U, 3U, 4U, 0x7fffffffU, 0x80000000U, 0xfffffffeU, 0xffffffffU}) {
    expect_refused(option_message(go, big_endian(length, 4) + rest), err_invalid);
    expect_refused(option_message(info, big_endian(length, 4) + rest), err_invalid);
  }
  for (const std::uint16_t count : {1, 2, 0x7fff, 0x8000, 0xffff}) {
    expect_refused(option_message(go, big_endian(1, 4) + "a" + big_endian(count, 2)), err_invalid);
  }
  // One request announced, and a byte too few or too many for it.
  expect_refused(option_message(go, big_endian(1, 4) + "a" + big_endian(1, 2) + "x"), err_invalid);
  expect_refused(option_message(go, big_endian(1, 4) + "a" + big_endian(1, 2) + "xyz"),
                 err_invalid);
}

TEST(NegotiatorAbuse, TooShortDataAreInvalid) {
  const auto data = info_data("");
  for (std::size_t length = 0; length < data.size(); ++length) {
    expect_refused(option_message(go, data.substr(0, length)), err_invalid);
  }
}

TEST(NegotiatorAbuse, TooManyOptionsCloseTheConnection) {
  for (const std::size_t exports : {0, 1, 2}) {
    const std::span offered = std::span(two_exports).first(exports);
    std::string script = flags();
    const auto allowed = 64 + 4 * exports;
    for (std::size_t i = 0; i < allowed; ++i) script += option_message(99);
    handshake patient(script, offered);
    EXPECT_EQ(patient.machine.current(), state::talking);
    EXPECT_EQ(patient.said.options.size(), allowed);
    handshake tired(script + option_message(go, info_data("a")), offered);
    EXPECT_EQ(tired.machine.current(), state::violated);
  }
}

TEST(NegotiatorAbuse, RepeatedInfoRequestsGetOneReply) {
  handshake h(flags() + option_message(info, info_data("a", std::vector<std::uint16_t>(64, 3))));
  EXPECT_EQ(h.said.options.size(), 3u) << "export, block size once, acknowledgement";
}

TEST(NegotiatorAbuse, CutAtAnyByteNeverStartsTransmission) {
  const auto script = flags() + option_message(list) + option_message(99, std::string(5000, 'x')) +
                      option_message(info, info_data("a", {1, 2, 3})) +
                      option_message(go, info_data("a"));
  for (std::size_t at = 0; at < script.size(); ++at) {
    handshake h(script.substr(0, at));
    EXPECT_EQ(h.machine.current(), state::talking) << at;
  }
  handshake whole(script);
  EXPECT_EQ(whole.machine.current(), state::transmission);
  EXPECT_EQ(whole.unused, 0u);
}

TEST(NegotiatorAbuse, NoiseCausesOnlyShortValidReplies) {
  const unsigned seed = std::random_device{}();
  std::mt19937 random(seed);
  SCOPED_TRACE("seed " + std::to_string(seed));
  for (int round = 0; round < 20'000; ++round) {
    auto script =
        flags() + option_message(8) + option_message(9, meta_data("a", {"base:", "x-y:z"})) +
        option_message(10, meta_data("bb", {"base:allocation"})) +
        option_message(info, info_data("a", {1, 2, 3})) + option_message(go, info_data("bb", {3}));
    for (auto flips = 1 + random() % 3; flips > 0; --flips) {
      auto& byte = script[random() % script.size()];
      byte = static_cast<char>(random() % 3 == 0 ? 0xff : random());
    }
    handshake h(script);
    EXPECT_LE(h.output.size(), 1000u);
    EXPECT_EQ(h.said.wrong, "");
    if (h.machine.current() == state::transmission) {
      EXPECT_LT(h.machine.chosen(), 2u);
    }
  }
}

}  // namespace
}  // namespace nbdstream::protocol

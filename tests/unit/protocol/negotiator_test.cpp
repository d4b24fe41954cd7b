// SPDX-License-Identifier: BSD-3-Clause
#include "protocol/negotiator.hpp"

#include "handshake.hpp"

namespace nbdstream::protocol {
namespace {

using namespace test;
using state = negotiator::state;

TEST(Negotiator, GreetsAsFixedNewstyle) {
  const handshake h("");
  EXPECT_TRUE(h.said.greeted);
  EXPECT_EQ(h.machine.current(), state::talking);
}

TEST(Negotiator, GoRepliesSizeAndFlagsAndStartsTransmission) {
  handshake h(flags() + option_message(go, info_data("a")));
  ASSERT_EQ(h.machine.current(), state::transmission);
  EXPECT_EQ(h.machine.chosen(), 0u);
  ASSERT_EQ(h.said.options.size(), 2u);
  EXPECT_EQ(h.said.options[0].type, info_reply);
  EXPECT_EQ(h.said.options[0].data, big_endian(0, 2) + big_endian(5000, 8) + big_endian(0x0d, 2));
  EXPECT_EQ(h.said.options[1].type, acknowledged);
}

TEST(Negotiator, InfoRepliesBlockSizeNameAndDescription) {
  handshake h(flags() + option_message(info, info_data("a", {3, 1, 2, 77})));
  EXPECT_EQ(h.machine.current(), state::talking);
  ASSERT_EQ(h.said.options.size(), 5u);
  EXPECT_EQ(h.said.options[1].data, big_endian(3, 2) + big_endian(1, 4) + big_endian(256 << 10, 4) +
                                        big_endian(32 << 20, 4));
  EXPECT_EQ(h.said.options[2].data, big_endian(1, 2) + "a");
  EXPECT_EQ(h.said.options[3].data, big_endian(2, 2) + "the first");
  EXPECT_EQ(h.said.options[4].type, acknowledged);
}

TEST(Negotiator, InfoOmitsAnEmptyDescription) {
  handshake h(flags() + option_message(info, info_data("bb", {2})));
  ASSERT_EQ(h.said.options.size(), 2u);
  EXPECT_EQ(h.said.options[1].type, acknowledged);
}

TEST(Negotiator, ListNamesEveryExport) {
  handshake h(flags() + option_message(list));
  ASSERT_EQ(h.said.options.size(), 3u);
  EXPECT_EQ(h.said.options[0].type, server_reply);
  EXPECT_EQ(h.said.options[0].data, big_endian(1, 4) + "athe first");
  EXPECT_EQ(h.said.options[1].data, big_endian(2, 4) + "bb");
  EXPECT_EQ(h.said.options[2].type, acknowledged);
}

TEST(Negotiator, ListWithDataIsInvalid) {
  expect_refused(option_message(list, "x"), err_invalid);
}

TEST(Negotiator, AbortIsAnsweredAndIsNoViolation) {
  handshake h(flags() + option_message(2));
  EXPECT_EQ(h.machine.current(), state::finished);
  ASSERT_EQ(h.said.options.size(), 1u);
  EXPECT_EQ(h.said.options[0].type, acknowledged);
}

TEST(Negotiator, AbortWithDataIsAccepted) {
  handshake h(flags() + option_message(2, "data"));
  EXPECT_EQ(h.machine.current(), state::finished);
}

TEST(Negotiator, UnknownOptionIsUnsupported) {
  for (const std::uint32_t o : {0U, 4U, 12U, 99U, 0x7fffffffU, 0xffffffffU}) {
    expect_refused(option_message(o), err_unsup);
    expect_refused(option_message(o, "some data"), err_unsup);
  }
}

TEST(Negotiator, ExportNameIsFollowedByZeroesUnlessDeclined) {
  handshake padded(big_endian(1, 4) + option_message(1, "bb"));
  EXPECT_EQ(padded.machine.current(), state::transmission);
  EXPECT_EQ(padded.machine.chosen(), 1u);
  EXPECT_EQ(padded.output.substr(18), big_endian(7, 8) + big_endian(1, 2) + std::string(124, '\0'));

  handshake bare(big_endian(3, 4) + option_message(1, "bb"));
  EXPECT_EQ(bare.output.substr(18), big_endian(7, 8) + big_endian(1, 2));
}

TEST(Negotiator, ExportNameWorksForAClientWithoutFixedNewstyle) {
  handshake h(big_endian(0, 4) + option_message(1, "a"));
  EXPECT_EQ(h.machine.current(), state::transmission);
  EXPECT_EQ(h.output.size(), 18u + 10 + 124);
}

TEST(Negotiator, OtherOptionsNeedFixedNewstyle) {
  for (const std::uint32_t o : {2U, 3U, 6U, 7U, 8U, 99U}) {
    handshake h(big_endian(2, 4) + option_message(o));
    EXPECT_EQ(h.machine.current(), state::violated) << o;
  }
}

TEST(Negotiator, UnknownNameIsAnErrorOrClosesTheConnection) {
  expect_refused(option_message(go, info_data("c")), err_unknown);
  expect_refused(option_message(info, info_data("aa")), err_unknown);
  expect_refused(option_message(go, info_data("")), err_unknown);
  expect_refused(option_message(go, info_data(std::string_view("a\0", 2))), err_unknown);
  handshake h(flags() + option_message(1, "c"));
  EXPECT_EQ(h.machine.current(), state::violated);
  EXPECT_EQ(h.output.size(), 18u);
}

/// Of a name of any length and content: on one line of ASCII, within bounds.
TEST(Negotiator, ErrorShowsTheUnknownNameInPrintableAscii) {
  const auto said = [](std::string_view name) {
    handshake h(flags() + option_message(go, info_data(name)));
    return h.said.options.at(0).data;
  };
  EXPECT_EQ(said("disc"), "there is no export \"disc\"");
  EXPECT_EQ(said("a\nb\"c\xff\x1b[1m"), "there is no export \"a?b?c??[1m\"");
  EXPECT_EQ(said(std::string(64, 'a')), "there is no export \"" + std::string(64, 'a') + '"');
  EXPECT_EQ(said(std::string(4096, 'a')), "there is no export \"" + std::string(64, 'a') + "...\"");
}

TEST(Negotiator, OnlyExportIsTheDefault) {
  const export_info only[] = {{"named", "", 9, 1}};
  for (const auto& choice : {option_message(go, info_data("")), option_message(1, "")}) {
    handshake h(flags() + choice, only);
    EXPECT_EQ(h.machine.current(), state::transmission);
    EXPECT_EQ(h.machine.chosen(), 0u);
  }
}

TEST(Negotiator, WithoutExportsEveryNameIsUnknown) {
  handshake h(flags() + option_message(list) + option_message(go, info_data("")), {});
  ASSERT_EQ(h.said.options.size(), 2u);
  EXPECT_EQ(h.said.options[0].type, acknowledged);
  EXPECT_EQ(h.said.options[1].type, err_unknown);
}

TEST(Negotiator, ClosedGateRefusesInfoGoAndExportName) {
  for (const std::uint32_t o : {info, go}) {
    negotiator m(two_exports);
    m.set_gate({{option_reply::err_shutdown, "closing"}});
    handshake h(m, flags() + option_message(o, info_data("a")));
    ASSERT_EQ(h.said.options.size(), 1u);
    EXPECT_EQ(h.said.options[0].type, err_shutdown);
    EXPECT_EQ(h.said.options[0].data, "closing");
    EXPECT_EQ(m.current(), state::talking);
    m.set_gate(std::nullopt);
    handshake again(m, option_message(go, info_data("a")));
    EXPECT_EQ(m.current(), state::transmission);
  }
  negotiator m(two_exports);
  m.set_gate({{option_reply::err_policy, "full"}});
  handshake h(m, flags() + option_message(1, "a"));
  EXPECT_EQ(m.current(), state::violated);
}

TEST(Negotiator, GoSucceedsAfterRefusedOptions) {
  handshake h(flags() + option_message(5) + option_message(go, info_data("no")) +
              option_message(8) + option_message(go, info_data("bb")));
  EXPECT_EQ(h.machine.current(), state::transmission);
  EXPECT_EQ(h.machine.chosen(), 1u);
}

}  // namespace
}  // namespace nbdstream::protocol

// SPDX-License-Identifier: BSD-3-Clause
#include "handshake.hpp"

namespace nbdstream::protocol {
namespace {

using namespace test;
using state = negotiator::state;

constexpr std::uint32_t starttls = 5;
constexpr std::uint32_t err_policy = 0x80000002, err_tls_reqd = 0x80000005;

std::vector<std::uint32_t> types(const handshake& h) {
  std::vector<std::uint32_t> all;
  for (const auto& o : h.said.options) all.push_back(o.type);
  return all;
}

using reply_types = std::vector<std::uint32_t>;

TEST(NegotiatorTls, StarttlsIsRefusedWhenTlsIsOff) {
  negotiator m(two_exports);
  handshake h(m, flags() + option_message(starttls) + option_message(go, info_data("a")));
  EXPECT_EQ(h.said.options.at(0).type, err_policy);
  EXPECT_EQ(m.current(), state::transmission);
}

TEST(NegotiatorTls, StarttlsIsAcknowledged) {
  for (const auto policy : {tls_policy::on, tls_policy::require}) {
    negotiator m(two_exports, policy);
    handshake h(m, flags() + option_message(starttls) + option_message(list));
    EXPECT_EQ(types(h), reply_types{acknowledged});
    EXPECT_EQ(m.current(), state::starttls);
    EXPECT_EQ(h.unused, 16u) << "what is behind it was not taken";
  }
}

TEST(NegotiatorTls, StarttlsWithDataIsInvalid) {
  negotiator m(two_exports, tls_policy::require);
  handshake h(m, flags() + option_message(starttls, "x"));
  EXPECT_EQ(types(h), reply_types{err_invalid});
  EXPECT_EQ(m.current(), state::talking);
}

TEST(NegotiatorTls, SecondStarttlsIsInvalid) {
  negotiator m(two_exports, tls_policy::require);
  handshake before(m, flags() + option_message(starttls));
  m.secured();
  handshake h(m, option_message(starttls) + option_message(go, info_data("a")));
  EXPECT_EQ(types(h), (reply_types{err_invalid, info_reply, acknowledged}));
  EXPECT_EQ(m.current(), state::transmission);
}

TEST(NegotiatorTls, RequiredTlsRefusesOtherOptionsBeforeStarttls) {
  for (const std::uint32_t o : {0U, 3U, 4U, 6U, 7U, 8U, 9U, 10U, 11U, 99U, 0xffffffffU}) {
    for (const auto& data : std::vector{std::string(), info_data("a"), info_data("unknown"),
                                        std::string(20'000, 'x')}) {
      negotiator m(two_exports, tls_policy::require);
      handshake h(m, flags() + option_message(o, data));
      EXPECT_EQ(types(h), reply_types{err_tls_reqd}) << o;
      EXPECT_EQ(m.current(), state::talking);
      EXPECT_EQ(h.output.find("the first"), std::string::npos) << "it tells of its exports";
    }
  }
}

TEST(NegotiatorTls, RequiredTlsClosesOnExportName) {
  for (const auto* const name : {"a", "unknown"}) {
    negotiator m(two_exports, tls_policy::require);
    handshake h(m, flags() + option_message(1, name));
    EXPECT_EQ(m.current(), state::violated);
    EXPECT_EQ(h.output.size(), 18u);
    EXPECT_NE(m.why().find("TLS"), std::string_view::npos);
  }
}

TEST(NegotiatorTls, RequiredTlsAllowsAbort) {
  negotiator m(two_exports, tls_policy::require);
  handshake h(m, flags() + option_message(2));
  EXPECT_EQ(types(h), reply_types{acknowledged});
  EXPECT_EQ(m.current(), state::finished);
}

TEST(NegotiatorTls, OptionsWorkInsideRequiredTls) {
  negotiator m(two_exports, tls_policy::require);
  handshake before(m, flags() + option_message(list) + option_message(starttls));
  m.secured();
  handshake h(m, option_message(list) + option_message(99) + option_message(1, "bb"));
  EXPECT_EQ(types(h), (reply_types{server_reply, server_reply, acknowledged, err_unsup}));
  EXPECT_EQ(m.current(), state::transmission);
  EXPECT_EQ(m.chosen(), 1u);
}

TEST(NegotiatorTls, TlsIsOptionalWhenItIsOn) {
  negotiator m(two_exports, tls_policy::on);
  handshake h(m, flags() + option_message(list) + option_message(go, info_data("a")));
  EXPECT_EQ(m.current(), state::transmission);
  for (const auto type : types(h)) EXPECT_NE(type, err_tls_reqd);
}

TEST(NegotiatorTls, NoSecondGreetingAfterTheHandshake) {
  negotiator m(two_exports, tls_policy::on);
  handshake before(m, flags() + option_message(starttls));
  m.secured();
  EXPECT_TRUE(m.output().empty()) << "another greeting?";
  EXPECT_EQ(m.current(), state::talking);
  EXPECT_EQ(m.wants(), 16u);
}

TEST(NegotiatorTls, HandshakeResetsTheGate) {
  negotiator m(two_exports, tls_policy::on);
  m.set_gate({{option_reply::err_shutdown, "closing"}});
  handshake before(m, flags() + option_message(starttls));
  m.secured();
  handshake h(m, option_message(go, info_data("a")));
  EXPECT_EQ(m.current(), state::transmission);
}

TEST(NegotiatorTls, HandshakeResetsNegotiatedReplies) {
  for (const std::uint32_t option : {8U, 11U}) {
    negotiator m(two_exports, tls_policy::on);
    handshake before(m, flags() + option_message(option) + option_message(starttls));
    EXPECT_EQ(types(before), (reply_types{acknowledged, acknowledged}));
    m.secured();
    handshake h(m, option_message(go, info_data("a")));
    ASSERT_EQ(m.current(), state::transmission);
    EXPECT_EQ(m.agreed().reply_form, form::simple);
  }
}

TEST(NegotiatorTls, OptionsBeforeAndAfterTheHandshakeCountTogether) {
  negotiator m({}, tls_policy::on);
  std::string many;
  for (int i = 0; i < 40; ++i) many += option_message(99);
  handshake before(m, flags() + many + option_message(starttls));
  m.secured();
  handshake h(m, many);
  EXPECT_EQ(m.current(), state::violated);
}

TEST(NegotiatorTls, StarttlsNeedsFixedNewstyle) {
  negotiator m(two_exports, tls_policy::on);
  handshake h(m, big_endian(2, 4) + option_message(starttls));
  EXPECT_EQ(m.current(), state::violated);
}

}  // namespace
}  // namespace nbdstream::protocol

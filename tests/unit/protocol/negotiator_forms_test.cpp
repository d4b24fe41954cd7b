// SPDX-License-Identifier: BSD-3-Clause
//
// The options that decide on the form of replies and on metadata contexts.
#include "handshake.hpp"

namespace nbdstream::protocol {
namespace {

using namespace test;
using nbdstream::test::meta_data;
using state = negotiator::state;

constexpr std::uint32_t structured_reply_option = 8, list_meta = 9, set_meta = 10,
                        extended_headers_option = 11;
constexpr std::uint32_t context_reply = 4, err_ext_header_reqd = 0x8000000a;
constexpr int df = 1 << 7, status_payload = 1 << 12;

const auto with_structured = flags() + option_message(structured_reply_option);
const auto with_extended = flags() + option_message(extended_headers_option);
const auto allocation = "base:allocation";

std::string select(std::string_view name) {
  return option_message(set_meta, meta_data(name, {allocation}));
}
std::string enter(std::string_view name) {
  return option_message(go, info_data(name));
}

/// What was agreed on at the end of a handshake that leads to the export "a".
terms outcome(const std::string& script) {
  handshake h(script + enter("a"));
  EXPECT_EQ(h.machine.current(), state::transmission);
  return h.machine.current() == state::transmission ? h.machine.agreed() : terms{};
}

/// The types of the answers to a script.
std::vector<std::uint32_t> types(const std::string& script) {
  std::vector<std::uint32_t> all;
  for (const auto& o : handshake(script).said.options) all.push_back(o.type);
  return all;
}

using answers = std::vector<std::uint32_t>;

TEST(NegotiatorForms, RepliesAreSimpleByDefault) {
  const auto t = outcome(flags());
  EXPECT_EQ(t.reply_form, form::simple);
  EXPECT_EQ(t.size, 5000u);
  EXPECT_EQ(t.flags, 0x0d);
  EXPECT_FALSE(t.allocation);
}

TEST(NegotiatorForms, StructuredRepliesOfferDontFragment) {
  const auto t = outcome(with_structured);
  EXPECT_EQ(t.reply_form, form::structured);
  EXPECT_EQ(t.flags, 0x0d | df);
  EXPECT_EQ(types(with_structured + option_message(structured_reply_option)),
            (answers{acknowledged, acknowledged}));
}

TEST(NegotiatorForms, ExtendedHeadersOfferDontFragment) {
  EXPECT_EQ(types(with_extended), answers{acknowledged});
  for (const auto& script :
       {with_extended, with_structured + option_message(extended_headers_option),
        with_extended + option_message(extended_headers_option)}) {
    const auto t = outcome(script);
    EXPECT_EQ(t.reply_form, form::extended);
    EXPECT_EQ(t.flags, 0x0d | df);
  }
}

TEST(NegotiatorForms, StructuredRepliesAreRefusedAfterExtendedHeaders) {
  const auto script = with_extended + option_message(structured_reply_option);
  EXPECT_EQ(types(script), (answers{acknowledged, err_ext_header_reqd}));
  EXPECT_EQ(outcome(script).reply_form, form::extended);
}

TEST(NegotiatorForms, OptionWithDataIsInvalid) {
  for (const auto o : {structured_reply_option, extended_headers_option}) {
    expect_refused(option_message(o, "x"), err_invalid);
    EXPECT_EQ(outcome(flags() + option_message(o, "x")).reply_form, form::simple);
  }
}

TEST(NegotiatorForms, FlagsOfInfoAndExportNameOfferDontFragment) {
  handshake asked(with_structured + option_message(info, info_data("a")));
  EXPECT_EQ(asked.said.options[1].data,
            big_endian(0, 2) + big_endian(5000, 8) + big_endian(0x0d | df, 2));
  handshake named(with_structured + option_message(1, "a"));
  EXPECT_EQ(named.machine.current(), state::transmission);
  EXPECT_EQ(named.machine.agreed().reply_form, form::structured);
  EXPECT_EQ(named.output.substr(named.output.size() - 10),
            big_endian(5000, 8) + big_endian(0x0d | df, 2));
}

TEST(NegotiatorForms, ExportNameAfterExtendedHeadersClosesTheConnection) {
  handshake h(with_extended + option_message(1, "a"));
  EXPECT_EQ(h.machine.current(), state::violated);
}

TEST(NegotiatorContexts, ListMatchesNoQueryNamespaceAndName) {
  const auto listed = [](const std::vector<std::string>& queries) {
    handshake h(with_structured + option_message(list_meta, meta_data("a", queries)));
    EXPECT_EQ(h.machine.current(), state::talking);
    std::string found;
    for (const auto& o : h.said.options) {
      if (o.type == context_reply) found += o.data;
    }
    EXPECT_EQ(h.said.options.back().type, acknowledged);
    return found;
  };
  const auto it = big_endian(0, 4) + allocation;
  EXPECT_EQ(listed({}), it);
  EXPECT_EQ(listed({"base:"}), it);
  EXPECT_EQ(listed({allocation}), it);
  EXPECT_EQ(listed({"x-other:", allocation, "base:", allocation}), it) << "once";
  EXPECT_EQ(listed({""}), "");
  EXPECT_EQ(listed({"base"}), "");
  EXPECT_EQ(listed({"base:allocation2", "base:alloc", "qemu:dirty-bitmap:x", ":"}), "");
}

TEST(NegotiatorContexts, SetMatchesNameOnly) {
  handshake h(with_structured + select("a") + enter("a"));
  ASSERT_EQ(h.said.options[1].type, context_reply);
  EXPECT_EQ(h.said.options[1].data, big_endian(1, 4) + allocation);
  EXPECT_EQ(h.said.options[2].type, acknowledged);
  EXPECT_TRUE(h.machine.agreed().allocation);
  for (const auto* const query : {"base:", "", "base:alloc", "qemu:allocation-depth"}) {
    const auto script = with_structured + option_message(set_meta, meta_data("a", {query}));
    EXPECT_EQ(types(script), (answers{acknowledged, acknowledged})) << query;
    EXPECT_FALSE(outcome(script).allocation) << query;
  }
}

TEST(NegotiatorContexts, ListSelectsNothing) {
  EXPECT_FALSE(outcome(with_structured + option_message(list_meta, meta_data("a", {allocation})))
                   .allocation);
  EXPECT_TRUE(outcome(with_structured + select("a") +
                      option_message(list_meta, meta_data("bb", {allocation})))
                  .allocation);
}

TEST(NegotiatorContexts, SelectionHoldsForItsExportOnly) {
  EXPECT_FALSE(outcome(with_structured + select("bb")).allocation);
  EXPECT_FALSE(outcome(with_structured + select("a") + select("bb")).allocation);
  EXPECT_TRUE(outcome(with_structured + select("bb") + select("a")).allocation);
  EXPECT_TRUE(
      outcome(with_structured + select("a") + option_message(info, info_data("bb"))).allocation);
}

TEST(NegotiatorContexts, EveryFurtherSetReplacesTheSelection) {
  const auto before = with_structured + select("a");
  ASSERT_TRUE(outcome(before).allocation);
  for (const auto& data :
       {meta_data("a", {}), meta_data("a", {"base:"}), meta_data("unknown", {allocation}),
        std::string("malformed"), std::string(65536, 'x')}) {
    EXPECT_FALSE(outcome(before + option_message(set_meta, data)).allocation) << data.size();
  }
}

TEST(NegotiatorContexts, BlockStatusPayloadIsOfferedWithExtendedHeaders) {
  const auto t = outcome(with_extended + select("a"));
  EXPECT_TRUE(t.allocation);
  EXPECT_EQ(t.flags, 0x0d | df | status_payload);
  EXPECT_EQ(outcome(with_extended).flags, 0x0d | df);
  EXPECT_EQ(outcome(with_extended + select("bb")).flags, 0x0d | df);
  EXPECT_EQ(outcome(with_structured + select("a")).flags, 0x0d | df);
}

TEST(NegotiatorContexts, NeedStructuredReplies) {
  for (const auto o : {list_meta, set_meta}) {
    expect_refused(option_message(o, meta_data("a", {allocation})), err_invalid);
    expect_refused(option_message(o), err_invalid);
  }
  EXPECT_FALSE(outcome(flags() + select("a") + option_message(structured_reply_option)).allocation);
}

/// The answer to `data` after structured replies.
std::uint32_t answer_to(std::uint32_t option, const std::string& data) {
  handshake h(with_structured + option_message(option, data));
  EXPECT_EQ(h.machine.current(), state::talking);
  EXPECT_EQ(h.unused, 0u);
  return h.said.options.back().type;
}

TEST(NegotiatorContexts, UnknownExportIsAnError) {
  for (const auto o : {list_meta, set_meta}) {
    EXPECT_EQ(answer_to(o, meta_data("c", {})), err_unknown);
    EXPECT_EQ(answer_to(o, meta_data("", {allocation})), err_unknown);
  }
}

TEST(NegotiatorContexts, DefaultExportNeedsNoName) {
  const export_info only[] = {{"named", "", 9, 1}};
  handshake h(with_structured + select("") + enter("named"), only);
  EXPECT_TRUE(h.machine.agreed().allocation);
}

TEST(NegotiatorContexts, ClosedGateRefusesThem) {
  for (const auto o : {list_meta, set_meta}) {
    negotiator m(two_exports);
    m.set_gate({{option_reply::err_shutdown, "closing"}});
    handshake h(m, with_structured + option_message(o, meta_data("a", {allocation})));
    EXPECT_EQ(h.said.options.back().type, err_shutdown);
  }
}

TEST(NegotiatorContextsAbuse, WrongLengthIsInvalid) {
  for (const auto o : {list_meta, set_meta}) {
    const auto whole = meta_data("a", {allocation, "x"});
    for (std::size_t length = 0; length < whole.size(); ++length) {
      EXPECT_EQ(answer_to(o, whole.substr(0, length)), err_invalid) << length;
    }
    EXPECT_EQ(answer_to(o, whole + "x"), err_invalid);
    for (const std::uint32_t wrong : {2U, 0x7fffffffU, 0x80000000U, 0xfffffffbU, 0xffffffffU}) {
      const auto number = big_endian(wrong, 4);
      EXPECT_EQ(answer_to(o, number + "a" + big_endian(0, 4)), err_invalid);
      EXPECT_EQ(answer_to(o, big_endian(1, 4) + "a" + number), err_invalid);
      EXPECT_EQ(answer_to(o, big_endian(1, 4) + "a" + big_endian(1, 4) + number + "x"),
                err_invalid);
    }
  }
}

TEST(NegotiatorContextsAbuse, QueriesAreLimitedTo64Of4096Bytes) {
  for (const auto o : {list_meta, set_meta}) {
    const std::string longest = "x-long:" + std::string(4089, 'y');
    EXPECT_EQ(answer_to(o, meta_data("a", {longest})), acknowledged);
    EXPECT_EQ(answer_to(o, meta_data("a", {longest + "y"})), err_too_big);
    EXPECT_EQ(answer_to(o, meta_data(longest, {})), err_unknown);
    EXPECT_EQ(answer_to(o, meta_data(longest + "y", {})), err_too_big);
    EXPECT_EQ(answer_to(o, meta_data("a", std::vector<std::string>(64, ""))), acknowledged);
    EXPECT_EQ(answer_to(o, meta_data("a", std::vector<std::string>(65, ""))), err_too_big);
    EXPECT_EQ(answer_to(o, meta_data("a", std::vector<std::string>(16'000, ""))), err_too_big);
  }
}

TEST(NegotiatorContextsAbuse, RepeatedQueriesGetOneReply) {
  for (const auto o : {list_meta, set_meta}) {
    EXPECT_EQ(types(with_structured +
                    option_message(o, meta_data("a", std::vector<std::string>(64, allocation)))),
              (answers{acknowledged, context_reply, acknowledged}));
  }
}

TEST(NegotiatorContextsAbuse, DataOfMoreThan64KibCloseTheConnection) {
  for (const auto o : {list_meta, set_meta}) {
    for (const std::uint32_t length : {(64U << 10) + 1, 0x80000000U, 0xffffffffU}) {
      handshake h(with_structured + "IHAVEOPT" + big_endian(o, 4) + big_endian(length, 4));
      EXPECT_EQ(h.machine.current(), state::violated);
    }
  }
}

}  // namespace
}  // namespace nbdstream::protocol

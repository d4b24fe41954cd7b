// SPDX-License-Identifier: BSD-3-Clause
//
// Hostile handshakes: after each of them the server must still serve a real client.
#include "support/hardening_test.hpp"

namespace nbdstream::test {
namespace {

constexpr std::uint32_t list = 3, info = 6, go = 7;
constexpr std::uint32_t acknowledged = 1, err_policy = 0x80000002, err_invalid = 0x80000003,
                        err_unknown = 0x80000006, err_too_big = 0x80000009;
constexpr std::uint32_t all_ones = 0xffffffff;

std::string option_header(std::uint32_t option, std::uint32_t length) {
  return "IHAVEOPT" + big_endian(option, 4) + big_endian(length, 4);
}

/// A client that sends LIST, INFO and GO.
scripted_client whole_handshake() {
  scripted_client script;
  script.flags().option(list).option(info, info_data("", {1, 2, 3})).go();
  return script;
}

class HostileHandshake : public hardening_test {};

TEST_F(HostileHandshake, CutAtAnyByteLeavesNoDescriptor) {
  serve();
  const auto before = descriptors();
  const auto script = whole_handshake().script();
  for (std::size_t length = 0; length <= script.size(); ++length) {
    peer hostile = connect();
    hostile.send(script.substr(0, length));
  }
  EXPECT_TRUE(ended_with(0, start({"nbdinfo", "--size", unix_uri}).wait()));
  EXPECT_TRUE(eventually([&] { return descriptors() == before; }))
      << descriptors() << " descriptors, " << before << " before";
  expect_unharmed();
}

TEST_F(HostileHandshake, UnknownClientFlagsCloseTheConnection) {
  serve();
  for (const std::uint32_t flags : {4U, 0x80000003U, all_ones}) {
    EXPECT_EQ(say(scripted_client().flags(flags)).options.size(), 0U);
  }
  expect_unharmed();
}

TEST_F(HostileHandshake, OptionOf4GibClosesTheConnectionAtOnce) {
  serve();
  for (const std::uint32_t option : {1U, 2U, 3U, 5U, 6U, 7U, 8U, 9U, 10U, 11U, 99U, all_ones}) {
    SCOPED_TRACE(option);
    // The server does not wait for the data of the option.
    const auto heard = say(scripted_client().flags().raw(option_header(option, all_ones)));
    EXPECT_EQ(heard.options.size(), 0U);
  }
  expect_unharmed();
}

TEST_F(HostileHandshake, WrongLengthInsideAnOptionIsInvalid) {
  serve();
  const std::string name_lies = big_endian(all_ones, 4) + "a" + big_endian(0, 2);
  const std::string count_lies = big_endian(1, 4) + "a" + big_endian(0xffff, 2);
  const auto heard = say(scripted_client()
                             .flags()
                             .option(info, name_lies)
                             .option(go, name_lies)
                             .option(info, count_lies)
                             .option(go, count_lies)
                             .option(list, big_endian(all_ones, 4))
                             .go()
                             .disc());
  ASSERT_GE(heard.options.size(), 6U);
  for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(heard.options[i].type, err_invalid) << i;
  EXPECT_EQ(heard.options.back().type, acknowledged);
  expect_unharmed();
}

class HostileExportName : public hardening_test,
                          public ::testing::WithParamInterface<std::size_t> {};

/// Neither the reply nor the log grows with the length of the name.
TEST_P(HostileExportName, UnknownNameIsRefusedInAShortReply) {
  serve();
  const std::string name(GetParam(), 'n');
  const auto wanted = name.size() > 4096 ? err_too_big : err_unknown;
  const auto heard =
      say(scripted_client().flags().option(info, info_data(name)).go(name).go().disc());
  ASSERT_GE(heard.options.size(), 3U);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(heard.options[i].type, wanted);
    EXPECT_LT(heard.options[i].data.size(), 100U);
  }
  EXPECT_EQ(heard.options.back().type, acknowledged);
  EXPECT_EQ(say(scripted_client().flags().export_name(name)).export_reply, "");
  expect_unharmed();
}

INSTANTIATE_TEST_SUITE_P(Bytes, HostileExportName, ::testing::Values(255, 256, 4096, 4097));

TEST_F(HostileHandshake, ExportNameOf4096BytesWorks) {
  const std::string name(4096, 'n');
  serve({"-e", name});
  EXPECT_TRUE(ended_with(0, start({"nbdsh", "-c", R"(
h.set_export_name('n' * 4096)
h.connect_unix('sock')
h.pwrite(b'hello', 0)
h.shutdown()
)"})
                                .wait()));
  EXPECT_TRUE(ended_with(0, server().wait()));
}

TEST_F(HostileHandshake, FortyOptionsWork) {
  serve();
  EXPECT_TRUE(ended_with(0, start({"nbdsh", "-c", R"(
h.set_opt_mode(True)
h.connect_unix('sock')
for i in range(40):
    h.opt_info()
h.opt_go()
h.shutdown()
)"})
                                .wait()));
  expect_unharmed();
}

TEST_F(HostileHandshake, EndlessOptionsCloseTheConnection) {
  serve();
  scripted_client script;
  script.flags();
  for (int i = 0; i < 1000; ++i) script.option(99);
  EXPECT_LE(say(script).options.size(), 100U);
  expect_unharmed();
}

TEST_F(HostileHandshake, InfoAndGoInAnyOrderOpenNoStream) {
  serve();
  scripted_client script;
  script.flags().go("nobody").option(info, info_data("")).go("nobody").option(list);
  script.option(info, info_data("nobody")).option(list).option(info, info_data("")).go();
  // None of these requests writes a byte.
  script.read(0, 512).flush().write(0, "").zeroes(0, 0).trim(0, 0);
  const auto heard = say(script.disc());
  EXPECT_EQ(heard.answers.size(), 5U);
  for (const auto& a : heard.answers) EXPECT_EQ(a.error, 0U) << a.cookie;
  EXPECT_TRUE(holds(path("log"), "create\n"));
  expect_unharmed();
}

class HostileConnections : public hardening_test {
 protected:
  void hold(const std::string& script, int count) {
    for (int i = 0; i < count; ++i) held_.emplace_back(connect()).send(script);
  }

  /// Whether the server acknowledges the GO of the script, its only option.
  [[nodiscard]] static bool agreed(peer& p, const scripted_client& script) {
    return eventually([&] {
      p.take_what_there_is();
      const auto heard = script.parse(p.received());
      return heard.options.size() == 2 && heard.options.back().type == acknowledged;
    });
  }

  std::list<peer> held_;
};

TEST_F(HostileConnections, ClientIsServedBeside200HalfOpenHandshakes) {
  serve();
  const auto before = descriptors();
  hold(scripted_client().flags().script().substr(0, 2), 200);
  // The server has closed the oldest 100 connections to make room. The last one is still open.
  for (int i = 0; i < 100; ++i, held_.pop_front()) held_.front().drain();
  EXPECT_LE(descriptors(), before + 400) << "three for each of a hundred";
  scripted_client whole;
  whole.flags().go();
  held_.back().send(whole.script().substr(2));
  EXPECT_TRUE(agreed(held_.back(), whole));
  expect_unharmed();
}

TEST_F(HostileConnections, ConnectionBeyondTheHundredthIsRefused) {
  serve();
  scripted_client whole;
  whole.flags().go();
  hold(whole.script(), 100);
  for (auto& p : held_) EXPECT_TRUE(agreed(p, whole));
  const auto heard = say(scripted_client().flags().go().option(2));
  ASSERT_GE(heard.options.size(), 1U);
  EXPECT_EQ(heard.options[0].type, err_policy);
  held_.pop_front();
  EXPECT_TRUE(eventually([&] {
    return start({"nbdinfo", "--size", unix_uri}).wait().status == 0;
  }));
  held_.clear();
  expect_unharmed();
}

/// One peer has stopped at each byte of the handshake, and two have stopped inside a request.
TEST_F(HostileConnections, SigtermEndsTheServerWithPeersInAnyState) {
  serve();
  const auto script = scripted_client().flags().option(list).go().script();
  for (std::size_t length = 0; length <= script.size(); ++length) {
    held_.emplace_back(connect()).send(script.substr(0, length));
  }
  const auto half_a_write = scripted_client().flags().go().write(0, "hello").script();
  held_.emplace_back(connect()).send(half_a_write.substr(0, half_a_write.size() - 20));
  held_.emplace_back(connect()).send(half_a_write.substr(0, half_a_write.size() - 2));
  // The server serves this client after all of them.
  EXPECT_TRUE(ended_with(0, start({"nbdinfo", "--size", unix_uri}).wait()));
  server().signal(SIGTERM);
  EXPECT_TRUE(ended_with(128 + SIGTERM, server().wait(std::chrono::seconds(5))));
  EXPECT_TRUE(holds(path("log"), "create\ndestroy\n"));
  for (auto& p : held_) p.drain();
}

}  // namespace
}  // namespace nbdstream::test

// SPDX-License-Identifier: BSD-3-Clause
//
// NBD_CMD_BLOCK_STATUS.
#include "chunks.hpp"

namespace nbdstream::test {
namespace {

class SessionBlockStatus : public SessionChunks {};
INSTANTIATE_TEST_SUITE_P(Both, SessionBlockStatus, ::testing::Values(structured, extended),
                         [](const auto& p) { return p.index == 0 ? "structured" : "extended"; });

TEST_P(SessionBlockStatus, ReportsDataZeroesAndUnwrittenBytes) {
  auto& c = connect_so();
  EXPECT_EQ(ask(c, [](auto& s) { s.status(0, 100'000); }), chunk_texts{"status 100000:3"});
  EXPECT_TRUE(r.tape.streams.empty()) << "asking opens nothing";
  write(c, 8192, pattern(512));
  write(c, 8704, pattern(512));
  zeroes(c, 20'480, 10'240);
  EXPECT_EQ(ask(c, [](auto& s) { s.status(0, 100'000); }),
            chunk_texts{"status 8192:3 1024:0 11264:3 10240:2 69280:3"});
  EXPECT_EQ(ask(c, [](auto& s) { s.status(8200, 100'000); }),
            chunk_texts{"status 1016:0 11264:3 10240:2 77480:3"});
  EXPECT_EQ(ask(c, [](auto& s) { s.status(8200, 100'000, scripted_client::req_one); }),
            chunk_texts{"status 1016:0"});
  EXPECT_EQ(ask(c, [](auto& s) { s.status(8200, 7, scripted_client::req_one); }),
            chunk_texts{"status 7:0"});
  EXPECT_EQ(ask(c, [](auto& s) { s.status(30'719, 1); }), chunk_texts{"status 1:2"});
  zeroes(c, 8192, 1024);
  EXPECT_EQ(ask(c, [](auto& s) { s.status(8192, 1025); }), chunk_texts{"status 1024:2 1:3"});
}

TEST_P(SessionBlockStatus, SectorWithSomeDataIsReportedAsData) {
  auto& c = connect_so();
  write(c, 8292, pattern(1000));
  zeroes(c, 20'000, 10'000);
  const chunk_texts sectors{"status 8192:3 1536:0 10240:3 10240:2 69792:3"};
  EXPECT_EQ(ask(c, [](auto& s) { s.status(0, 100'000); }), sectors);
  EXPECT_EQ(ask(c, [](auto& s) { s.status(8200, 92, scripted_client::req_one); }),
            chunk_texts{"status 92:3"});
}

TEST_P(SessionBlockStatus, ReplyIsBoundedForThousandsOfExtents) {
  auto& c = connect_so();
  say(c, [](scripted_client& s) {
    for (std::uint64_t i = 0; i < 3000; ++i) s.zeroes(1024 * i, 512);
  });
  r.settle();
  const auto before = heard(c).chunks.size();
  say(c, [](scripted_client& s) { s.status(0, 3000 * 1024); });
  r.settle();
  const auto chunks = heard(c).chunks;
  ASSERT_EQ(chunks.size(), before + 1);
  EXPECT_LE(chunks.back().payload.size(), 40'000u);
  EXPECT_GE(chunks.back().payload.size(), 8'000u);
}

TEST_P(SessionBlockStatus, RequestWithoutAMetaContextIsInvalid) {
  const bool large = GetParam() == extended;
  auto& c = connect([large](scripted_client& s) { large ? s.extended() : s.structured(); });
  EXPECT_EQ(ask(c, [](auto& s) { s.status(0, 1); }), chunk_texts{"error 22"});
  EXPECT_EQ(reason(c), "no metadata context was agreed on");
}

std::string contexts(std::uint64_t length, const std::vector<std::uint32_t>& ids) {
  auto payload = big_endian(length, 8);
  for (const auto id : ids) payload += big_endian(id, 4);
  return payload;
}

TEST_F(SessionHeaders, BlockStatusPayloadMustNameTheAgreedContext) {
  auto& c = connect(extended);
  write(c, 0, pattern(100));
  const auto status = [&](const std::string& payload, std::uint16_t flags = 0) {
    return ask(c, [&](scripted_client& s) {
      s.request(scripted_client::status_command, 50, payload.size(), flags, payload);
    });
  };
  EXPECT_EQ(status(contexts(100, {1})), chunk_texts{"status 100:0"});
  EXPECT_EQ(status(contexts(100, {1}), scripted_client::req_one), chunk_texts{"status 100:0"});
  for (const auto& wrong :
       {contexts(100, {}), contexts(100, {2}), contexts(100, {1, 1}), contexts(100, {1, 2}),
        contexts(0, {1}), contexts(config::unknown_size, {1}), contexts(~std::uint64_t{0}, {1}),
        std::string("x"), std::string(100'000, 'x')}) {
    EXPECT_EQ(status(wrong), chunk_texts{"error 22"}) << wrong.size();
  }
  EXPECT_EQ(status(contexts(1, {1})), chunk_texts{"status 1:0"}) << "it is in step";
}

class SessionBlockStatusInWindow : public SessionHeaders {
 protected:
  SessionBlockStatusInWindow() : SessionHeaders(rig::windowed(1000)) {}
};

TEST_F(SessionBlockStatusInWindow, SentBytesAreReportedAsDataAndCannotBeRead) {
  auto& c = connect(structured);
  write(c, 0, pattern(512));
  write(c, 1024, pattern(100));
  EXPECT_EQ(ask(c, [](auto& s) { s.status(0, 2000); }),
            chunk_texts{"status 512:0 512:3 512:0 464:3"});
  EXPECT_EQ(ask(c, [](auto& s) { s.status(10, 400, scripted_client::req_one); }),
            chunk_texts{"status 400:0"});
  EXPECT_EQ(ask(c, [](auto& s) { s.read(511, 10); }), chunk_texts{"error 5"});
  EXPECT_EQ(reason(c), "these bytes were sent, and are not kept");
  EXPECT_EQ(ask(c, [](auto& s) { s.read(1024, 100); }), chunk_texts{"data 1024+100"});
}

constexpr auto disk = config::unknown_size;

class SessionHeadersForWholeDisk : public SessionHeaders {
 protected:
  SessionHeadersForWholeDisk() : SessionHeaders(spooled()) {}
  static nbd_export::settings spooled() {
    auto s = rig::ordered(stream::order::spool, 0);
    s.config.size = disk;
    return s;
  }
};

TEST_F(SessionHeadersForWholeDisk, StatusTrimAndZeroesTakeOneExtendedRequest) {
  auto& c = connect(extended);
  EXPECT_EQ(ask(c, [](auto& s) { s.status(0, disk); }),
            chunk_texts{"status " + std::to_string(disk) + ":3"});
  EXPECT_EQ(ask(c, [](auto& s) { s.trim(0, disk).zeroes(0, disk, scripted_client::fast_zero); }),
            (chunk_texts{"nothing", "nothing"}));
  EXPECT_EQ(ask(c, [](auto& s) { s.status(0, disk); }),
            chunk_texts{"status " + std::to_string(disk) + ":2"});
  EXPECT_EQ(ask(c, [](auto& s) { s.zeroes(0, disk + 1); }), chunk_texts{"error 28"});
  EXPECT_EQ(ask(c, [](auto& s) { s.status(1, disk); }), chunk_texts{"error 22"});
}

}  // namespace
}  // namespace nbdstream::test

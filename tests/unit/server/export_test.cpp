// SPDX-License-Identifier: BSD-3-Clause
#include "server/export.hpp"

#include "writer_client.hpp"

namespace nbdstream::test {
namespace {

using protocol::wire_error;

TEST(Export, InfoHasNameDescriptionAndSize) {
  auto s = rig::sized(12345);
  s.config.name = "n";
  s.config.description = "d";
  rig r(s);
  EXPECT_EQ(r.exported.info().name, "n");
  EXPECT_EQ(r.exported.info().description, "d");
  EXPECT_EQ(r.exported.info().size, 12345u);
  EXPECT_EQ(rig().exported.info().size, config::unknown_size);
}

TEST(Export, SinkGetsIdSizeAndExportName) {
  auto s = rig::sized(100);
  s.config.name = "vm1";
  s.config.streams = 2;
  rig r(s);
  for (int i = 0; i < 2; ++i) {
    writer_client c(r, "c");
    c.write(0, "x");
    c.leave(stream::disconnect::clean);
  }
  ASSERT_EQ(r.tape.streams.size(), 2u);
  EXPECT_EQ(r.tape.streams[1].info.id, 2u);
  EXPECT_EQ(r.tape.streams[1].info.size, 100u);
  EXPECT_EQ(r.tape.streams[1].info.export_name, "vm1");
  EXPECT_EQ(r.tape.streams[1].length, 100u);
}

TEST(Export, EndsAfterTheConfiguredNumberOfStreams) {
  rig r(rig::streams(3));
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(r.export_done);
    writer_client c(r, "c");
    EXPECT_EQ(c.write(0, "abc").error, wire_error::none);
    c.leave(i == 1 ? stream::disconnect::eof : stream::disconnect::clean);
  }
  EXPECT_TRUE(r.export_done);
  EXPECT_EQ(r.exported.committed(), 2u);
  EXPECT_EQ(r.exported.aborted(), 1u) << "an aborted stream counts too";
  writer_client late(r, "late");
  EXPECT_TRUE(late.write(0, "abc").refused);
}

TEST(Export, ZeroStreamsMeansServeUntilStopped) {
  rig r(rig::streams(0));
  for (int i = 0; i < 50; ++i) {
    writer_client c(r, "c");
    c.write(0, "abc");
    c.leave(stream::disconnect::clean);
  }
  EXPECT_EQ(r.exported.committed(), 50u);
  EXPECT_FALSE(r.export_done);
  r.exported.stop("enough");
  r.settle();
  EXPECT_TRUE(r.export_done);
}

TEST(Export, ClientsWithoutWritesDoNotAffectTheStream) {
  rig r;
  writer_client idle(r, "idle");
  writer_client writer(r, "writer");
  writer.write(0, "abc");
  for (const auto how :
       {stream::disconnect::clean, stream::disconnect::eof, stream::disconnect::mid_request}) {
    writer_client probe(r, "probe");
    probe.leave(how);
  }
  EXPECT_TRUE(r.exported.stream_open());
  writer.leave(stream::disconnect::clean);
  EXPECT_EQ(r.exported.committed(), 1u);
}

TEST(Export, GapAbortsIfGapsAreRefused) {
  const auto s = refusing_gaps(rig::sized(100));
  {
    rig r(s);
    writer_client c(r, "c");
    c.write(50, "abc");
    c.leave(stream::disconnect::clean);
    EXPECT_EQ(r.exported.aborted(), 1u);
    EXPECT_TRUE(r.tape.all_ended_once());
    EXPECT_TRUE(r.log.says("97 bytes were not covered"));
    EXPECT_TRUE(r.log.says("--gaps allow"));
  }
  rig whole(s);
  writer_client c(whole, "c");
  c.write(0, "abc");
  c.zero(3, 97);
  c.leave(stream::disconnect::clean);
  EXPECT_EQ(whole.exported.committed(), 1u);
}

TEST(Export, PadSettingDecidesWhetherTheStreamIsPadded) {
  for (const bool pad : {true, false}) {
    auto s = rig::sized(100);
    s.config.pad = pad;
    rig r(s);
    writer_client c(r, "c");
    c.write(0, "abc");
    c.leave(stream::disconnect::clean);
    EXPECT_EQ(r.exported.committed(), 1u);
    EXPECT_EQ(r.tape.data(), "abc" + std::string(pad ? 97 : 0, '\0'));
  }
}

TEST(Export, RunCommitsAfterExitStatusZero) {
  rig r(decided_by_run(rig::plain()));
  writer_client c(r, "c");
  c.write(0, "abc");
  c.leave(stream::disconnect::eof);
  EXPECT_EQ(r.exported.committed(), 0u);
  r.command_succeeds();
  EXPECT_EQ(r.exported.committed(), 1u);
  EXPECT_TRUE(r.export_done);
}

TEST(Export, StreamWithoutWritesCommitsOnlyWithSizeAndGapsAllowed) {
  for (const bool size : {true, false}) {
    for (const bool refuse : {true, false}) {
      for (const bool came : {true, false}) {
        auto s = decided_by_run(size ? rig::sized(1000) : rig::plain());
        s.refuse_gaps = refuse;
        rig r(s);
        if (came) {
          writer_client c(r, "c");
          c.leave(stream::disconnect::clean);
        }
        r.command_succeeds();
        EXPECT_TRUE(r.export_done);
        const bool stream = size && !refuse && came;
        EXPECT_EQ(r.exported.committed(), stream ? 1u : 0u) << size << refuse << came;
        EXPECT_EQ(r.exported.aborted(), 0u);
        EXPECT_EQ(r.tape.data().size(), stream ? 1000u : 0u);
      }
    }
  }
}

TEST(Export, NoMoreClientsWaitsForTheLastDisconnect) {
  rig r;
  writer_client c(r, "c");
  c.zero(0, 100);
  r.exported.no_more_clients();
  r.settle();
  EXPECT_FALSE(r.export_done) << "it is still connected";
  c.leave(stream::disconnect::clean);
  EXPECT_TRUE(r.export_done);
  EXPECT_EQ(r.exported.committed(), 1u);
}

TEST(Export, BytesAheadAreZeroesAndSentBytesAreUnreadable) {
  rig r;
  writer_client writer(r, "w");
  writer_client probe(r, "p");
  using readable = held_data::readable;
  EXPECT_EQ(r.exported.stream_of(probe.who()), nullptr) << "nothing but zeroes";
  writer.write(0, "abc");
  EXPECT_EQ(r.exported.stream_of(probe.who())->held().look(2, 1), readable::sent);
  EXPECT_EQ(r.exported.stream_of(writer.who())->held().look(3, 1), readable::zeroes);
  EXPECT_EQ(r.exported.snapshot().count.sent, 3u);
}

}  // namespace
}  // namespace nbdstream::test

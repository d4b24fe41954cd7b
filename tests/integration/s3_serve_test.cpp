// SPDX-License-Identifier: BSD-3-Clause
//
// nbdstream serve s3://...: the data that clients read, and how few bytes are fetched for it.
#include "support/s3_serve_test.hpp"
#include "support/certificates.hpp"

namespace nbdstream::test {
namespace {

class S3Serve : public s3_serve_test {};

/// Two clients read the disk, the second one with four connections.
const std::string compare_and_copy =
    R"(qemu-img compare -f raw -F raw in.raw "$uri" && nbdcopy -C 4 "$uri" out.raw)";

TEST_F(S3Serve, RawObjectIsServedAsDisk) {
  start_server();
  make_disk(20 * MiB);
  ASSERT_TRUE(ended_with(0, upload(to_bucket())));
  EXPECT_TRUE(ended_with(0, serve(from_bucket(), compare_and_copy)));
  EXPECT_TRUE(same_content(path("out.raw"), path("in.raw")));
}

TEST_F(S3Serve, CompressedObjectIsServedWithHoles) {
  start_server();
  make_sparse(path("in.raw"), 4 * MiB);
  std::filesystem::resize_file(path("in.raw"), 64 * MiB);
  make_qcow2(path("in.qcow2"), path("in.raw"));
  ASSERT_TRUE(ended_with(0, upload(compressed())));
  const result ended =
      serve(from_bucket(), compare_and_copy + R"( && nbdinfo --map --totals "$uri" >&2)");
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_TRUE(same_content(path("out.raw"), path("in.raw")));
  EXPECT_TRUE(mentions(ended.err, "hole,zero"));
  EXPECT_LT(fetched(), 16 * MiB) << "the holes are not fetched";
}

TEST_F(S3Serve, DiffIsServedAsDisk) {
  start_server();
  make_disk(8 * MiB);
  for (const arguments& how : {arguments{}, {"--compress", "zstd"}}) {
    arguments args = to_bucket({"overwrite=true"});
    args.insert(args.end(), {"--format", "rbd-diff", "--size", "8M"});
    args.insert(args.end(), how.begin(), how.end());
    ASSERT_TRUE(ended_with(0, upload(args)));
    EXPECT_TRUE(ended_with(0, serve(from_bucket(), compare_and_copy)));
  }
}

TEST_F(S3Serve, EmptyObjectIsDiskOfSize0) {
  start_server();
  put_object("key", "");
  EXPECT_TRUE(ended_with(0, serve(from_bucket(), R"(test 0 = $(nbdinfo --size "$uri"))")));
}

TEST_F(S3Serve, SmallObjectIsServedWhole) {
  start_server();
  put_object("key", "0123456789");
  EXPECT_TRUE(ended_with(
      0, serve(from_bucket(), client_command("assert h.pread(10, 0) == b'0123456789'"))));
}

TEST_F(S3Serve, FetchesOneBlockForManySmallReads) {
  start_server();
  make_disk(64 * MiB);
  ASSERT_TRUE(ended_with(0, upload(to_bucket())));
  const std::string script = R"(
disk = open('in.raw', 'rb').read()
for begin in range(17 << 20, 18 << 20, 4096):
    assert h.pread(4096, begin) == disk[begin:begin + 4096]
)";
  EXPECT_TRUE(ended_with(0, serve(from_bucket(), client_command(script))));
  EXPECT_EQ(replies("GetObject", 206), 2U) << "one of them to see what the object is";
  EXPECT_EQ(fetched(), 2 * MiB);
}

TEST_F(S3Serve, FetchesOnlyFramesThatAreRead) {
  start_server();
  make_raw(path("in.raw"), 64 * MiB);
  make_qcow2(path("in.qcow2"), path("in.raw"));
  ASSERT_TRUE(ended_with(0, upload(compressed())));
  const std::string script = R"(
disk = open('in.raw', 'rb').read()
for begin in (5 << 20, 30 << 20, 31 << 20):
    assert h.pread(512, begin) == disk[begin:begin + 512]
)";
  EXPECT_TRUE(ended_with(0, serve(from_bucket(), client_command(script))));
  EXPECT_GT(std::filesystem::file_size(object()), 60 * MiB) << "it is not compressible";
  // Two frames of 4 MiB, another frame and its block that tell what the object is, the block of the
  // seek table, and some bytes that check the table.
  EXPECT_LE(fetched(), 14 * MiB + (64 << 10));
}

TEST_F(S3Serve, LimitsConcurrentConnections) {
  // The first GetObject is sent at the start, before there is a client.
  start_faulty_server(R"([{"on": "GetObject", "do": "hold", "until": "go", "skip": 1}])");
  make_raw(path("in.raw"), 16 * MiB);
  put_object("key", read_file(path("in.raw")));
  process server = start_serve(from_bucket({"connections=2"}), R"(nbdcopy -C 4 "$uri" out.raw)");
  EXPECT_TRUE(will_log({"GetObject", R"("together": 2})"}));
  write_file(path("s3/go"), "");
  EXPECT_TRUE(ended_with(0, server.wait()));
  EXPECT_EQ(logged({"GetObject", R"("together": 3})"}), 0U);
  EXPECT_TRUE(same_content(path("out.raw"), path("in.raw")));
}

TEST_F(S3Serve, TrustsOnlyConfiguredCertificateAuthority) {
  ASSERT_TRUE(ended_with(0, start_shell(make_certificates("pki")).wait()));
  start_server({"--certificate", "pki/server-cert.pem", "--private-key", "pki/server-key.pem"});
  put_object("key", std::string(1 * MiB, 'x'));
  write_file(path("in.raw"), std::string(1 * MiB, 'x'));
  EXPECT_TRUE(ended_with(0, serve(from_bucket({"ca-file=pki/ca-cert.pem"}), compare_and_copy)));
  const result ended = serve(from_bucket(), "touch ran");
  EXPECT_TRUE(ended_with(2, ended));
  EXPECT_TRUE(mentions(ended.err, "certificate"));
  EXPECT_FALSE(std::filesystem::exists(path("ran")));
}

TEST_F(S3Serve, SigtermDoesNotWaitForHangingServer) {
  start_faulty_server(R"([{"on": "GetObject", "do": "stall", "skip": 1}])");
  put_object("key", std::string(8 * MiB, 'x'));
  process server = start_serve({"-U", "sock", "-P", "pid", "--grace", "1m", "s3://bucket/key", "-o",
                                "endpoint=" + endpoint()});
  wait_for("pid");
  process reader = start_client("fails_with(errno.ESHUTDOWN, h.pread, 512, 4 << 20)");
  EXPECT_TRUE(will_log({"GetObject", R"("event": "reply", "status": 0)"}));
  server.signal(SIGTERM);
  EXPECT_TRUE(ended_with(0, server.wait()));
  reader.wait();  // its outcome does not matter here
}

}  // namespace
}  // namespace nbdstream::test

// SPDX-License-Identifier: BSD-3-Clause
//
// --digest: the digest equals that of sha256sum, b2sum and xxh128sum, whatever the order, the data
// path and the format of the stream are.
#include "support/data_path_test.hpp"
#include "support/receipt_test.hpp"

#include <linux/sockios.h>
#include <sys/socket.h>

namespace nbdstream::test {
namespace {

class Digest : public receipt_test {
 protected:
  /// A client that writes 3,000,000 bytes: large and small data, in and out of order, and zeroes.
  const std::string everything_ = R"(
import random
r = random.Random(7)
data = r.randbytes(3000000)
h.pwrite(data[0:300001], 0)
h.zero(300003, 300001)
h.pwrite(data[700000:1500000], 700000)
h.pwrite(data[600004:700000], 600004)
h.zero(500000, 2500000)
h.pwrite(data[2000000:2500000], 2000000)
h.pwrite(data[1500000:1500511], 1500000)
h.pwrite(data[1500511:2000000], 1500511)
h.shutdown()
)";

  void expect_digests(const arguments& more, const std::string& script) {
    for (const auto& kind : digest_kinds) {
      arguments args{"--sink", "file:out.raw",         "-o",       "overwrite=true",
                     "--run",  client_command(script), "--digest", kind.option};
      args.insert(args.end(), more.begin(), more.end());
      const result ended = nbdstream(args);
      EXPECT_TRUE(ended_with(0, ended));
      EXPECT_TRUE(says_digest(ended, kind, "out.raw"));
    }
  }
};

TEST_F(Digest, MatchesTheStreamInEachOrder) {
  for (const char* order : {"window", "spill", "spool"}) {
    SCOPED_TRACE(order);
    expect_digests({"--order", order, "--size", "3000000"}, everything_);
  }
  expect_digests({"--order", "strict"},
                 "send(b'x' * 1000000); h.zero(1000, 1000000); h.shutdown()");
}

TEST_F(Digest, MatchesASpilledStream) {
  expect_digests({"--order", "spill", "--window", "64k", "--size", "3000000"}, everything_);
}

TEST_F(Digest, MatchesACopiedStream) {
  expect_digests({"--data-path", "copy", "--size", "3000000", "--window", "64k"}, everything_);
}

TEST_F(Digest, MatchesAnRbdDiffWithItsEndRecord) {
  expect_digests({"--format", "rbd-diff", "--size", "3000000"}, everything_);
}

TEST_F(Digest, MatchesZeroesLongerThanAnyPipe) {
  expect_digests({"--size", "80M"}, "h.pwrite(b'x', 0); h.shutdown()");
}

/// The payload goes into a pipe by reference. The digest is that of the bytes which the reader
/// gets.
TEST_F(Digest, MatchesWhatAPipeReaderReceives) {
  make_disk(40 * MiB);
  for (const auto& kind : digest_kinds) {
    const result ended =
        start_shell("nbdstream --sink stdout --size 40M --digest " + std::string(kind.option) +
                    " --run '" + convert + "' | cat > out.raw")
            .wait();
    EXPECT_TRUE(ended_with(0, ended));
    EXPECT_TRUE(same_content(path("out.raw"), path("in.raw")));
    EXPECT_TRUE(says_digest(ended, kind, "in.raw"));
  }
}

TEST_F(Digest, CoversEachStreamSeparately) {
  process server = start_listening(
      {"--sink", "exec:cat > out.$NBDSTREAM_STREAM", "--streams", "2", "--digest", "sha256"});
  EXPECT_TRUE(ended_with(0, client("send(b'first' * 100000); h.shutdown()")));
  EXPECT_TRUE(ended_with(0, client("send(b'second' * 200000); h.shutdown()")));
  const result ended = server.wait();
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_TRUE(says_digest(ended, digest_kinds[0], "out.1"));
  EXPECT_TRUE(says_digest(ended, digest_kinds[0], "out.2"));
}

class DigestDataPath : public data_path_test {};

/// The last payload is in a pipe inside the server while the reader is stopped. Over TCP the server
/// sees at once that the client sends no more.
TEST_F(DigestDataPath, ClientThatShutsDownItsSendingSideStillCommits) {
  pipe_pair pipe = make_pipe();
  process server = start_into(pipe.write.get(), {"--digest", "xxh3", "--order", "strict"});
  pipe.write.reset();
  talker client = over_tcp();
  client.data(24 * MiB);
  client.script.disc();
  while (!client.unsaid().empty()) {
    if (client.offer() == 0) pipe.read.take(64 * KiB);
  }
  checked(::shutdown(client.connection.fd(), SHUT_WR), "shutdown");
  const auto on_its_way = [&] {
    int count = 0;
    checked(::ioctl(client.connection.fd(), SIOCOUTQ, &count), "SIOCOUTQ");
    return count;
  };
  while (on_its_way() > 0) pipe.read.take(64 * KiB);
  EXPECT_TRUE(comes_to_rest(server));
  pipe.read.drain();
  client.connection.drain();
  EXPECT_TRUE(client.was_answered(0));
  EXPECT_TRUE(ended_with(0, server.wait()));
  EXPECT_TRUE(pipe.read.received() == client.expected);
}

TEST_F(DigestDataPath, SigtermEndsTheServerWithAStoppedReader) {
  pipe_pair pipe = make_pipe();
  process server = start_into(pipe.write.get(), {"--digest", "sha256"});
  talker client = over_unix();
  client.data(16 * MiB);
  client.offer();
  server.signal(SIGTERM);
  EXPECT_TRUE(ended_with(128 + SIGTERM, server.wait()));
}

}  // namespace
}  // namespace nbdstream::test

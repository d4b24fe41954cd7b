// SPDX-License-Identifier: BSD-3-Clause
//
// --compress: other programs decompress the stream to the disk, whichever sink it went into. An
// aborted stream has no seek table.
#include "support/data_path_test.hpp"
#include "support/receipt_test.hpp"
#include "support/restore_test.hpp"

#include <regex>

namespace nbdstream::test {
namespace {

bool has_seek_table(const std::string& stream) {
  return stream.ends_with("\xb1\xea\x92\x8f");
}

class Compression : public receipt_test {
 protected:
  /// zstd(1) and a reader of the seekable format both decompress the file to `raw`.
  void expect_disk(const std::string& compressed, const std::string& raw = "in.raw") const {
    EXPECT_TRUE(ended_with(0, start({"zstd", "-qt", compressed}).wait()));
    EXPECT_TRUE(ended_with(0, start_shell("zstd -qdc " + compressed + " | cmp - " + raw).wait()));
    const auto reader = source_directory + "/tests/support/seekable.py";
    EXPECT_TRUE(ended_with(0, start({"/usr/bin/python3", reader, compressed, raw}).wait()));
  }
};

TEST_F(Compression, EachSinkGetsAStreamThatDecompressesToTheDisk) {
  make_disk(40 * MiB);
  EXPECT_TRUE(
      ended_with(0, nbdstream({"--compress", "zstd", "--sink", "file:f.zst", "--run", convert})));
  expect_disk("f.zst");
  EXPECT_TRUE(ended_with(
      0, nbdstream({"--compress", "zstd:9", "--sink", "exec:cat > e.zst", "--run", convert})));
  expect_disk("e.zst");
  EXPECT_TRUE(ended_with(0, start_shell("nbdstream --compress zstd:-3 "
                                        "--sink stdout --run '" +
                                        convert + "' | cat > s.zst")
                                .wait()));
  expect_disk("s.zst");
  process reader = start_reader("output", "p.zst");
  EXPECT_TRUE(ended_with(0, nbdstream(running(convert, {"--compress", "zstd:1"}))));
  EXPECT_TRUE(ended_with(0, reader.wait()));
  expect_disk("p.zst");
}

/// The writes come in and out of order on two connections, and pass through memory and the spill
/// file.
TEST_F(Compression, UnorderedWritesDecompressToTheDisk) {
  const std::string script = R"(
import random
r = random.Random(5)
data = r.randbytes(9000000) + b'text ' * 1800000
open('in.raw', 'wb').write(data[:9000000] + bytes(9000000) + data[9000000:])
other = another_connection()
h.pwrite(data[8000000:9000000], 8000000)
for at in range(0, 9000000, 600000):
    (h if at % 1200000 else other).pwrite(data[9000000 + at:9000000 + at + 600000], 18000000 + at)
h.zero(9000000, 9000000)
for at in range(0, 8000000, 500000):
    other.pwrite(data[at:at + 500000], at)
h.shutdown()
other.shutdown()
)";
  for (const char* order : {"spill", "spool"}) {
    SCOPED_TRACE(order);
    EXPECT_TRUE(ended_with(0, nbdstream({"--compress", "zstd", "--sink", "file:out.zst", "-o",
                                         "overwrite=true", "--order", order, "--window", "256k",
                                         "--size", "27000000", "--run", client_command(script)})));
    expect_disk("out.zst");
  }
}

TEST_F(Compression, HoleOf16TibIsCompressedInSeconds) {
  const result ended = nbdstream({"--compress", "zstd", "--sink", "null", "--size", "16T", "--run",
                                  client_command("send(b'x', 1 << 40); h.shutdown()")});
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_TRUE(mentions(ended.err, "committed, 17592186044416 bytes, "));
}

TEST_F(Compression, RbdDiffDecompressesToAReadableDiff) {
  const std::string script = "send(b'x' * 5000000, 7000000); h.zero(100, 0); h.shutdown()";
  const result ended = nbdstream({"--compress", "zstd", "--sink", "file:out.zst", "--format",
                                  "rbd-diff", "--size", "30M", "--diff-to", "monday", "--gaps",
                                  "allow", "--digest", "sha256", "--run", client_command(script)});
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_TRUE(ended_with(0, start_shell("zstd -qdc out.zst > out.diff; head -c 30M /dev/zero > w; "
                                        "nbdstream cat out.diff > disk; "
                                        "perl -e 'print q(x) x 5000000' | "
                                        "dd of=w bs=7000000 seek=1 conv=notrunc; cmp w disk")
                                .wait()));
  EXPECT_TRUE(says_digest(ended, digest_kinds[0], "out.diff"));
  expect_disk("out.zst", "out.diff");
}

TEST_F(Compression, LogReceiptAndMetricsReportTheSameLengths) {
  make_disk();
  const result ended =
      nbdstream({"--compress", "zstd:5", "--sink", "file:out.zst", "--receipt", "r.json",
                 "--metrics-file", "nbd.prom", "--log-format", "json", "--run", convert});
  EXPECT_TRUE(ended_with(0, ended));
  const auto length = std::to_string(std::filesystem::file_size(path("out.zst")));
  EXPECT_TRUE(mentions(ended.err, "committed, 8388608 bytes, "));
  EXPECT_TRUE(mentions(ended.err, ", compressed to " + length + " bytes, "));
  EXPECT_TRUE(mentions(ended.err, R"("sent_bytes":8388608,"compressed_bytes":)" + length + ","));
  EXPECT_EQ(receipt_says("['compression']"),
            R"({"format": "zstd", "level": 5, "length_bytes": )" + length + "}");
  EXPECT_EQ(receipt_says("['length_bytes']"), "8388608");
  EXPECT_EQ(receipt_says("['digest']['value']"), '"' + digest_of(digest_kinds[0], "in.raw") + '"');
  EXPECT_EQ(receipt_says("['sink']['results']['size_bytes']"), '"' + length + '"');
  EXPECT_TRUE(mentions(read_file(path("nbd.prom")),
                       R"(_compressed_bytes_total{export="",sink="file"} )" + length + "\n"));
  EXPECT_TRUE(ended_with(0, start_shell("zstd -qdc out.zst | nbdstream verify r.json").wait()));
}

TEST_F(Compression, VerifyRefusesACompressedFileAndNamesTheCommand) {
  make_disk();
  EXPECT_TRUE(ended_with(0, nbdstream({"--compress", "zstd", "--sink", "file:out.zst", "--receipt",
                                       "r.json", "--run", convert})));
  const result refused = verify({"r.json", "out.zst"});
  EXPECT_TRUE(ended_with(2, refused));
  EXPECT_TRUE(mentions(refused.err, "zstd -dc FILE | nbdstream verify RECEIPT"));
}

TEST_F(Compression, ConfigurationFileCanEnableIt) {
  make_disk();
  write_file(path("c.toml"), R"(
[[export]]
compress = "zstd:2"
sink.module = "file"
sink.path = "out.zst"
)");
  EXPECT_TRUE(ended_with(0, nbdstream({"--config", "c.toml", "--run", convert})));
  expect_disk("out.zst");
}

TEST_F(Compression, AbortedStreamHasNoSeekTable) {
  const auto fails =
      client_command("import random; send(random.randbytes(20000000)); h.shutdown(); sys.exit(3)");
  EXPECT_TRUE(
      ended_with(3, nbdstream({"--compress", "zstd", "--sink", "file:out.zst", "--run", fails})));
  EXPECT_FALSE(is_there("out.zst"));
  EXPECT_TRUE(ended_with(
      3, nbdstream({"--compress", "zstd", "--sink", "exec:cat > part", "--run", fails})));
  process reader = start_reader("output", "part2");
  EXPECT_TRUE(ended_with(3, nbdstream(running(fails, {"--compress", "zstd"}))));
  EXPECT_TRUE(ended_with(0, reader.wait()));
  for (const char* part : {"part", "part2"}) {
    EXPECT_GT(std::filesystem::file_size(path(part)), 4 * MiB);
    EXPECT_FALSE(has_seek_table(read_file(path(part)))) << part;
  }
}

TEST_F(Compression, FailingSinkAbortsTheStreamOnce) {
  const result ended =
      nbdstream({"--compress", "zstd", "--sink", "exec:head -c 1000 >/dev/null; exit 5", "--run",
                 client_command("import random; send(random.randbytes(90000000))")});
  EXPECT_NE(ended.status, 0);
  const std::regex aborted("stream 1: aborted");
  const auto first = std::sregex_iterator(ended.err.begin(), ended.err.end(), aborted);
  EXPECT_EQ(std::distance(first, std::sregex_iterator()), 1) << ended.err;
}

class CompressionDataPath : public data_path_test {};

TEST_F(CompressionDataPath, SigtermEndsBusyThreadsWithAStoppedReader) {
  pipe_pair pipe = make_pipe();
  process server = start_into(pipe.write.get(), {"--compress", "zstd:19"});
  pipe.write.reset();
  talker client = over_unix();
  client.data(32 * MiB);
  client.offer();
  server.signal(SIGTERM);
  EXPECT_TRUE(ended_with(128 + SIGTERM, server.wait(std::chrono::seconds(5))));
  pipe.read.drain();
  EXPECT_FALSE(has_seek_table(pipe.read.received()));
}

}  // namespace
}  // namespace nbdstream::test

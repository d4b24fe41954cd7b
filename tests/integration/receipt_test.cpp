// SPDX-License-Identifier: BSD-3-Clause
//
// --receipt: its content, and that it exists only if its stream was committed.
#include "support/receipt_test.hpp"

#include <sys/stat.h>

namespace nbdstream::test {
namespace {

/// Validates a receipt against its JSON Schema, which must describe each member.
const std::string validate = R"(
import json, jsonschema, sys
schema = json.load(open(sys.argv[1]))
receipt = json.load(open(sys.argv[2]))
jsonschema.Draft202012Validator.check_schema(schema)
jsonschema.Draft202012Validator(schema).validate(receipt)
assert set(receipt) == set(schema['properties']), set(receipt) ^ set(schema['properties'])
)";

class StreamReceipt : public receipt_test {
 protected:
  void expect_valid(const std::string& file = "r.json") const {
    const result said = start({"/usr/bin/python3", "-c", validate,
                               source_directory + "/doc/receipt.schema.json", file})
                            .wait();
    EXPECT_TRUE(ended_with(0, said));
  }

  /// Expects that the stream ends with `status`, and that there is no receipt, neither a new one
  /// nor one of an earlier stream.
  void expect_none(int status, const arguments& args) {
    write_file(path("r.json"), R"({"nbdstream_receipt": 1})");
    arguments all{"--receipt", "r.json"};
    all.insert(all.end(), args.begin(), args.end());
    EXPECT_TRUE(ended_with(status, nbdstream(all)));
    EXPECT_TRUE(no_receipt());
  }
};

TEST_F(StreamReceipt, RecordsLengthCoverageDigestAndSinkResults) {
  const std::string script = "send(b'x' * 100000); h.zero(100000, 100000); h.shutdown()";
  const result ended = nbdstream({"--sink", "file:out.raw", "--receipt", "r.json", "--size", "300k",
                                  "--export-name", "vm \"1\"", "--run", client_command(script)});
  EXPECT_TRUE(ended_with(0, ended));
  expect_valid();
  EXPECT_FALSE(is_there("r.json.partial"));
  struct stat out {};
  ASSERT_EQ(::stat(path("out.raw").c_str(), &out), 0);
  EXPECT_EQ(receipt_says("['export']"), R"("vm \"1\"")");
  EXPECT_EQ(receipt_says("['stream']"), "1");
  EXPECT_EQ(receipt_says("['format']"), R"({"name": "raw"})");
  EXPECT_EQ(receipt_says("['size_bytes']"), "307200");
  EXPECT_EQ(receipt_says("['length_bytes']"), "307200");
  EXPECT_EQ(receipt_says("['payload_bytes']"), "100000");
  EXPECT_EQ(receipt_says("['zeroes']"), R"({"bytes": 207200, "ranges": 1})");
  EXPECT_EQ(receipt_says("['coverage']"), R"({"named_bytes": 200000, "missing_bytes": 107200})");
  EXPECT_EQ(receipt_says("['clients']"), R"({"connections": 1})");
  EXPECT_EQ(receipt_says("['digest']['value']"), '"' + digest_of(digest_kinds[0], "out.raw") + '"');
  EXPECT_EQ(receipt_says("['sink']['module']"), R"("file")");
  EXPECT_EQ(receipt_says("['sink']['results']['path']"), '"' + path("out.raw").string() + '"');
  EXPECT_EQ(receipt_says("['sink']['results']['inode']"), '"' + std::to_string(out.st_ino) + '"');
  EXPECT_EQ(receipt_says("['sink']['results']['size_bytes']"), R"("307200")");
}

TEST_F(StreamReceipt, RecordsSnapshotsOfRbdDiff) {
  const std::string script = "send(b'x' * 4096, 8192); h.shutdown()";
  for (const auto& kind : digest_kinds) {
    const result ended =
        nbdstream({"--sink", "exec:cat > out", "--receipt", "r.json", "--size", "1M", "--format",
                   "rbd-diff", "--diff-from", "monday", "--diff-to", "tuesday", "--digest",
                   kind.option, "--run", client_command(script)});
    EXPECT_TRUE(ended_with(0, ended));
    expect_valid();
    EXPECT_EQ(receipt_says("['format']"),
              R"({"name": "rbd-diff", "from": "monday", "to": "tuesday"})");
    EXPECT_EQ(receipt_says("['digest']"), "{\"algorithm\": \"" + std::string(kind.name) +
                                              "\", \"value\": \"" + digest_of(kind, "out") + "\"}");
    EXPECT_EQ(receipt_says("['sink']['results']"), R"({"exit_status": "0"})");
    EXPECT_TRUE(ended_with(0, verify({"r.json", "out"})));
  }
}

TEST_F(StreamReceipt, IsValidForCompressedStream) {
  EXPECT_TRUE(
      ended_with(0, nbdstream({"--sink", "null", "--receipt", "r.json", "--compress", "zstd",
                               "--run", client_command("send(b'x'); h.shutdown()")})));
  expect_valid();
  EXPECT_EQ(receipt_says("['compression']['level']"), "3");
}

TEST_F(StreamReceipt, IsValidForUnknownSize) {
  EXPECT_TRUE(ended_with(0, nbdstream({"--sink", "null", "--receipt", "r.json", "--run",
                                       client_command("send(b'x'); h.shutdown()")})));
  expect_valid();
  EXPECT_EQ(receipt_says("['size_bytes']"), "null");
  EXPECT_EQ(receipt_says("['length_bytes']"), "1");
}

TEST_F(StreamReceipt, IsMissingAfterEachKindOfAbort) {
  const auto sends = [&](const std::string& more) {
    return client_command("send(b'x' * 100000)" + more);
  };
  expect_none(3, {"--sink", "null", "--run", sends("; h.shutdown(); sys.exit(3)")});
  expect_none(128 + SIGKILL, {"--sink", "null", "--run", sends("; os.kill(os.getpid(), 9)")});
  // First the sink fails at the commit, then before it.
  expect_none(1, {"--sink", "exec:cat >/dev/null; exit 5", "--run", sends("; h.shutdown()")});
  expect_none(1, {"--sink", "exec:exit 5", "--run", sends("; h.flush(); h.shutdown()")});
  expect_none(
      1, {"--sink", "null", "--size", "1M", "--gaps", "refuse", "--run", sends("; h.shutdown()")});
}

TEST_F(StreamReceipt, IsMissingAfterVanishedClientOrSigterm) {
  for (const bool signal : {false, true}) {
    write_file(path("r.json"), R"({"nbdstream_receipt": 1})");
    process server = start_listening({"--sink", "null", "--receipt", "r.json"});
    process writer = start_client("send(b'x' * 1000); touch('sent'); stay()");
    wait_for("sent");
    EXPECT_FALSE(is_there("r.json")) << "it is of an earlier stream";
    if (signal) {
      server.signal(SIGTERM);
    } else {
      writer.signal(SIGKILL);
    }
    EXPECT_TRUE(ended_with(signal ? 128 + SIGTERM : 1, server.wait()));
    EXPECT_TRUE(no_receipt());
    std::filesystem::remove(path("sent"));
    std::filesystem::remove(path("pid"));
  }
}

TEST_F(StreamReceipt, IsReplacedByNextStreamUnlessNumbered) {
  for (const std::string name : {"r.json", "r-%n.json"}) {
    process server = start_listening({"--sink", "null", "--streams", "2", "--receipt", name});
    EXPECT_TRUE(ended_with(0, client("send(b'first'); h.shutdown()")));
    EXPECT_TRUE(ended_with(0, client("send(b'the second'); h.shutdown()")));
    EXPECT_TRUE(ended_with(0, server.wait()));
    std::filesystem::remove(path("pid"));
  }
  EXPECT_EQ(receipt_says("['stream']", "r.json"), "2");
  EXPECT_EQ(receipt_says("['length_bytes']", "r.json"), "10");
  EXPECT_EQ(receipt_says("['length_bytes']", "r-1.json"), "5");
  EXPECT_EQ(receipt_says("['length_bytes']", "r-2.json"), "10");
}

TEST_F(StreamReceipt, IsSeparateForEachExport) {
  write_file(path("two.toml"), R"(
[server]
listen = ["unix:sock"]
pidfile = "pid"
[[export]]
name = "one"
receipt = "one.json"
sink.module = "null"
[[export]]
name = "two"
receipt = "two.json"
digest = "blake2b"
sink.module = "null"
)");
  process server = start_nbdstream({"--config", "two.toml"});
  wait_for("pid");
  EXPECT_TRUE(
      ended_with(0, client("send(b'1' * 1000); h.shutdown()", "nbd+unix:///one?socket=sock")));
  EXPECT_TRUE(
      ended_with(0, client("send(b'2' * 2000); h.shutdown()", "nbd+unix:///two?socket=sock")));
  EXPECT_TRUE(ended_with(0, server.wait()));
  EXPECT_EQ(receipt_says("['length_bytes']", "one.json"), "1000");
  EXPECT_EQ(receipt_says("['length_bytes']", "two.json"), "2000");
  EXPECT_EQ(receipt_says("['digest']['algorithm']", "two.json"), R"("blake2b-512")");
}

TEST_F(StreamReceipt, OmitsSettingsOfSink) {
  EXPECT_TRUE(
      ended_with(0, nbdstream({"--sink", "exec:cat >/dev/null # secret-word", "--receipt", "r.json",
                               "--run", client_command("send(b'x'); h.shutdown()")})));
  EXPECT_EQ(read_file(path("r.json")).find("secret-word"), std::string::npos);
}

}  // namespace
}  // namespace nbdstream::test

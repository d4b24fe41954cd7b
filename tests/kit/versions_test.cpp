// SPDX-License-Identifier: BSD-3-Clause
//
// Modules of another ABI minor than the program's. Streams through them work.
#include "kit_test.hpp"

namespace nbdstream::test {
namespace {

/// Prints the id of the stream, on which status, receipt and sink must agree.
const char* const compare = R"(
import json
status = json.load(open('status.json'))['exports'][0]['stream']
receipt = json.load(open('receipt.json'))
assert status['unique_id'] == receipt['unique_id'] == receipt['sink']['results']['id']
assert status['began'] == receipt['began']
assert status['acknowledged_bytes'] == status['sent_bytes'] > 0
print(receipt['unique_id'], end='')
)";

class AbiVersion : public kit_test {
 protected:
  /// Sends a stream through the module. Returns the log.
  std::string streamed(const std::string& name, const arguments& more = {}) const {
    make_disk(4 * MiB);
    arguments args{"--sink", test_modules + "/" + name + ".so:out.raw", "--run", convert};
    args.insert(args.end(), more.begin(), more.end());
    const result ended = nbdstream(args);
    EXPECT_TRUE(ended_with(0, ended));
    EXPECT_TRUE(same_content(path("out.raw"), path("in.raw")));
    return ended.err;
  }
};

TEST_F(AbiVersion, Module10Works) {
  EXPECT_TRUE(mentions(streamed("frozen"), "sink frozen: stream 1 of -1 bytes"));
}

TEST_F(AbiVersion, Module10GetsSizeAndSettings) {
  const std::string said =
      streamed("frozen", {"--size", "4M", "-o", "most=512", "-o", "pause=2ms"});
  EXPECT_TRUE(mentions(said, "sink frozen: stream 1 of 4194304 bytes"));
}

TEST_F(AbiVersion, Module10MayLendDescriptor) {
  streamed("frozen", {"-o", "lend=yes"});
}

TEST_F(AbiVersion, Module10MayFailAndExplainWhy) {
  make_disk(4 * MiB);
  const result ended =
      nbdstream({"--sink", test_modules + "/frozen.so:out.raw", "-o", "fail=on", "--run", convert});
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "this module was told to fail"));
  EXPECT_TRUE(holds(path("out.raw"), ""));
}

TEST_F(AbiVersion, Module11GetsIdOfReceiptAndStatus) {
  const std::string job = convert + R"( && curl -s --unix-socket "$NBDSTREAM_CONTROL" )"
                                    "http://localhost/v1/status > status.json";
  make_disk(4 * MiB);
  const result ended =
      nbdstream({"--sink", test_modules + "/frozen_1_1.so:out.raw", "--size", "4M", "--control",
                 path("control"), "--receipt", path("receipt.json"), "--run", job});
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_TRUE(same_content(path("out.raw"), path("in.raw")));
  const auto id = run({"/usr/bin/python3", "-c", compare});
  EXPECT_TRUE(mentions(ended.err, "stream " + id + " of exactly 4194304 bytes, new"));
  EXPECT_EQ(std::filesystem::status(path("out.raw")).permissions(), std::filesystem::perms(0600));
}

TEST_F(AbiVersion, Module11SeesThatSizeIsLimitWithNoPad) {
  EXPECT_TRUE(
      mentions(streamed("frozen_1_1", {"--size", "4M", "--no-pad"}), "of at most 4194304 bytes"));
}

/// The client sends nothing between the two writes, and waits for the abort.
TEST_F(AbiVersion, Module11MayFailStreamBetweenWrites) {
  run({"/usr/bin/mkfifo", path("peer")});
  const result ended =
      nbdstream({"--sink", test_modules + "/frozen_1_1.so:out.raw", "-o",
                 "peer=" + path("peer").string(), "--run",
                 R"(qemu-io -f raw -c "write 0 64k" "$uri" >&2 && echo gone > peer && )"
                 "timeout 20 sh -c 'while [ -s out.raw ]; do sleep 0.01; done'"});
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err,
                       "aborted after 65536 bytes: the sink has failed: the other side "
                       "is gone"));
}

TEST_F(AbiVersion, NewerModuleSeesThatHostIsOlder) {
  EXPECT_TRUE(mentions(streamed("newer"), "sink newer: the host is older than I am"));
}

TEST_F(AbiVersion, OlderModuleIsNotReadPastItsEnd) {
  streamed("older");
}

}  // namespace
}  // namespace nbdstream::test

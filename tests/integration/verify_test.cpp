// SPDX-License-Identifier: BSD-3-Clause
//
// nbdstream verify: whether a stream matches its receipt, and where it differs.
#include "support/receipt_test.hpp"

#include <fcntl.h>
#include <unistd.h>

namespace nbdstream::test {
namespace {

constexpr std::uint64_t block = 64 * MiB;
constexpr std::uint64_t length = 2 * block + 4096;

class VerifyCommand : public receipt_test {
 protected:
  /// Makes disk.raw, of three blocks of which the last is shorter, and its receipt.
  void SetUp() override {
    const std::string script = "h.pwrite(b'a' * 4096, 0); h.pwrite(b'b' * 4096, " +
                               std::to_string(length - 4096) + "); h.shutdown()";
    ASSERT_TRUE(
        ended_with(0, nbdstream({"--sink", "file:disk.raw", "--receipt", "r.json", "--size",
                                 std::to_string(length), "--run", client_command(script)})));
  }
  void put(std::uint64_t offset, char byte) const {
    const file_descriptor disk(::open(path("disk.raw").c_str(), O_WRONLY | O_CLOEXEC));
    ASSERT_EQ(::pwrite(disk.get(), &byte, 1, static_cast<off_t>(offset)), 1);
  }
  void cut_to(std::uint64_t size) const { std::filesystem::resize_file(path("disk.raw"), size); }

  void expect_different(const std::string& how) const {
    const result said = verify({"r.json", "disk.raw"});
    EXPECT_TRUE(ended_with(1, said));
    EXPECT_TRUE(mentions(said.err, how));
    EXPECT_EQ(said.out, "");
  }
};

TEST_F(VerifyCommand, AcceptsFileAndStandardInput) {
  const auto expected = "the stream is the one of the receipt: " + std::to_string(length) +
                        " bytes, sha256 " + digest_of(digest_kinds[0], "disk.raw") + "\n";
  for (const char* command :
       {"nbdstream verify r.json disk.raw", "nbdstream verify r.json < disk.raw",
        "cat disk.raw | nbdstream verify r.json"}) {
    const result said = start_shell(command).wait();
    EXPECT_TRUE(ended_with(0, said));
    EXPECT_EQ(said.out, expected);
  }
}

TEST_F(VerifyCommand, NamesFirstBlockThatDiffers) {
  put(length - 1, 'c');
  expect_different("first in block 2 (counted from 0), bytes 134217728 to 134221823");
  put(2 * block - 1, 'c');
  expect_different("first in block 1 (counted from 0), bytes 67108864 to 134217727");
  put(block, 'c');
  expect_different("first in block 1 (counted from 0), bytes 67108864 to 134217727");
  put(4096, 'c');
  expect_different("first in block 0 (counted from 0), bytes 0 to 67108863");
}

TEST_F(VerifyCommand, ReportsHowMuchShorterOrLonger) {
  cut_to(length + 17);
  expect_different("longer than the stream of the receipt, by 17 bytes");
  cut_to(length - 1);
  expect_different(
      "shorter than the stream of the receipt, by 1 of 134221824 bytes; its first 2 "
      "blocks are the same");
  cut_to(0);
  expect_different("shorter than the stream of the receipt, by 134221824 of 134221824 bytes");
}

TEST_F(VerifyCommand, NamesBlockOfLongerFile) {
  cut_to(length + 17);
  put(length - 1, 'c');
  expect_different("first in block 2");
}

TEST_F(VerifyCommand, TrustsDigestOverBlocks) {
  auto text = read_file(path("r.json"));
  const auto digest = digest_of(digest_kinds[0], "disk.raw");
  text.replace(text.find(digest), 4, digest.starts_with("0000") ? "1111" : "0000");
  write_file(path("r.json"), text);
  expect_different("in no block that can be named");
}

TEST_F(VerifyCommand, RefusesInvalidReceipt) {
  const auto good = read_file(path("r.json"));
  const auto refused = [&](const std::string& text, const std::string& why) {
    write_file(path("bad.json"), text);
    const result said = verify({"bad.json", "disk.raw"});
    EXPECT_TRUE(ended_with(2, said));
    EXPECT_TRUE(mentions(said.err, "\"bad.json\": " + why));
  };
  const auto with = [&](const std::string& what, const std::string& instead) {
    auto text = good;
    const auto at = text.find(what);
    EXPECT_NE(at, text.npos) << what;
    return text.replace(at, what.size(), instead);
  };
  refused("", "it is no JSON");
  refused(good.substr(0, good.size() / 2), "it is no JSON");
  refused("{}", "it is not a receipt");
  refused("[1]", "it is not a receipt");
  refused(with("\"nbdstream_receipt\": 1", "\"nbdstream_receipt\": 2"),
          "it is a receipt of version 2");
  refused(with("sha256", "md5"), "its digest is of an algorithm that is not known here");
  refused(with("\"digest\"", "\"digests\""), "it has no \"digest\"");
  refused(with("\"length_bytes\": 134221824", "\"length_bytes\": -1"), "its \"length_bytes\"");
  refused(with("\"length_bytes\": 134221824", "\"length_bytes\": 9"), "it does not have the 1");
  refused(with("\"values\":[\"", "\"values\":[\"x"), "it has a digest that is not made of 32");
}

TEST_F(VerifyCommand, RefusesWrongArguments) {
  EXPECT_TRUE(ended_with(2, verify({})));
  EXPECT_TRUE(ended_with(2, verify({"r.json", "disk.raw", "more"})));
  EXPECT_TRUE(ended_with(2, verify({"--blocks", "r.json"})));
  EXPECT_TRUE(ended_with(2, verify({"r.json", "missing"})));
  EXPECT_TRUE(ended_with(2, verify({"missing", "disk.raw"})));
  const result help = verify({"--help"});
  EXPECT_TRUE(ended_with(0, help));
  EXPECT_TRUE(mentions(help.out, "usage: nbdstream verify RECEIPT [FILE]"));
}

}  // namespace
}  // namespace nbdstream::test

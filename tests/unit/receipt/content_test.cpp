// SPDX-License-Identifier: BSD-3-Clause
//
// Receipts as text, and back.
#include "receipt/content.hpp"
#include "receipt/parse.hpp"
#include "stage/hasher.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace nbdstream::receipt {
namespace {

content example(config::digest_algorithm algorithm) {
  stage::hasher h(algorithm);
  const std::string data(stage::fingerprint::block_size + 1, 'x');
  h.update(std::as_bytes(std::span(data)));
  content c;
  c.export_name = "caf\xe9";  // no UTF-8
  c.print = h.finish();
  c.module = "null";
  return c;
}

TEST(ReceiptText, IsReadBackWithEachAlgorithm) {
  using enum config::digest_algorithm;
  for (const auto algorithm : {sha256, blake2b, xxh3}) {
    const auto c = example(algorithm);
    const auto e = parse(to_json(c, {}));
    EXPECT_EQ(e.algorithm, algorithm);
    EXPECT_EQ(e.print.algorithm, c.print.algorithm);
    EXPECT_EQ(e.print.value, c.print.value);
    EXPECT_EQ(e.print.length, c.print.length);
    EXPECT_EQ(e.print.blocks, c.print.blocks);
  }
}

TEST(ReceiptText, IsValidWhateverNamesAreMadeOf) {
  const std::array facts{sink::fact{"path", "/tmp/\"\\\n\xff"}};
  const auto text = to_json(example(config::digest_algorithm::xxh3), facts);
  EXPECT_NO_THROW((void)parse(text));
  EXPECT_NE(text.find("caf\xef\xbf\xbd"), text.npos);
  EXPECT_NE(text.find(R"("path":"/tmp/\"\\\n)"), text.npos);
}

TEST(ReceiptText, SaysHowTheStreamWasCompressed) {
  auto c = example(config::digest_algorithm::xxh3);
  const auto plain = to_json(c, {});
  EXPECT_NE(plain.find("\"compression\": null"), plain.npos);
  EXPECT_FALSE(parse(plain).compressed);
  c.zstd_level = -5;
  c.compressed = 1234;
  const auto text = to_json(c, {});
  EXPECT_NE(text.find(R"("compression": {"format":"zstd","level":-5,"length_bytes":1234})"),
            text.npos);
  EXPECT_TRUE(parse(text).compressed);
}

TEST(ReceiptText, OfAnEarlierReleaseSaysNothingOfCompression) {
  auto text = to_json(example(config::digest_algorithm::xxh3), {});
  const std::string member = "\n  \"compression\": null,";
  text.erase(text.find(member), member.size());
  EXPECT_FALSE(parse(text).compressed);
}

TEST(ReceiptText, MayEndWithSpaces) {
  const auto text = to_json(example(config::digest_algorithm::xxh3), {});
  EXPECT_NO_THROW((void)parse(text + std::string(1000, ' ')));
}

TEST(ReceiptText, OfALargerVersionIsRefusedWithItsNumber) {
  try {
    (void)parse(R"({"nbdstream_receipt": 99})");
    FAIL() << "was taken";
  } catch (const error& e) {
    EXPECT_NE(std::string(e.what()).find("version 99"), std::string::npos);
  }
}

}  // namespace
}  // namespace nbdstream::receipt

// SPDX-License-Identifier: BSD-3-Clause
#include "s3/sign.hpp"

#include <gtest/gtest.h>

namespace nbdstream::s3 {
namespace {

const std::string empty_hash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const std::string date = "20130524T000000Z";

/// The example account of AWS's documentation.
const credentials example{"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", ""};

fields headers(const std::string& hash, fields more = {}) {
  more.insert(more.end(), {{"Host", "examplebucket.s3.amazonaws.com"},
                           {"x-amz-content-sha256", hash},
                           {"x-amz-date", date}});
  return more;
}

std::string signature_of(const signable& request) {
  const std::string value = authorization(request, date, "us-east-1", example);
  return value.substr(value.find("Signature=") + 10);
}

// The four examples of "Signature Calculations for the Authorization Header" of the S3 reference.
TEST(Signature, OfAGetWithARangeIsThatOfTheReference) {
  const signable get{
      "GET", "/test.txt", {}, headers(empty_hash, {{"Range", "bytes=0-9"}}), empty_hash};
  EXPECT_EQ(signature_of(get), "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

TEST(Signature, OfAPutIsThatOfTheReference) {
  const std::string hash = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
  const signable put{"PUT",
                     "/test%24file.text",
                     {},
                     headers(hash, {{"Date", "Fri, 24 May 2013 00:00:00 GMT"},
                                    {"x-amz-storage-class", "REDUCED_REDUNDANCY"}}),
                     hash};
  EXPECT_EQ(signature_of(put), "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

TEST(Signature, OfAQueryWithoutAValueIsThatOfTheReference) {
  const signable get{"GET", "/", {{"lifecycle", ""}}, headers(empty_hash), empty_hash};
  EXPECT_EQ(signature_of(get), "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
}

TEST(Signature, OfAListIsThatOfTheReference) {
  const signable get{
      "GET", "/", {{"prefix", "J"}, {"max-keys", "2"}}, headers(empty_hash), empty_hash};
  EXPECT_EQ(signature_of(get), "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

TEST(Signature, NamesTheKeyTheScopeAndTheHeadersInTheirOrder) {
  const signable get{"GET", "/", {}, headers(empty_hash, {{"Range", "bytes=0-9"}}), empty_hash};
  const std::string value = authorization(get, date, "eu-west-1", example);
  EXPECT_EQ(value.substr(0, value.find(",Signature")),
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/eu-west-1/s3/aws4_request,"
            "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date");
}

TEST(Signature, IgnoresSpacesAroundAValueAndDoubledOnes) {
  const auto with = [](const std::string& value) {
    return signature_of({"PUT", "/k", {}, headers(empty_hash, {{"x-amz-meta-a", value}}), ""});
  };
  EXPECT_EQ(with("  a   b\t"), with("a b"));
  EXPECT_NE(with("a b"), with("ab"));
}

TEST(QueryString, IsInOrderAndHasAnEqualsSignForEachName) {
  EXPECT_EQ(query_string({{"uploadId", "x"}, {"partNumber", "7"}}), "partNumber=7&uploadId=x");
  EXPECT_EQ(query_string({{"uploads", ""}}), "uploads=");
  EXPECT_EQ(query_string({}), "");
}

TEST(AmzDate, IsInUniversalTime) {
  EXPECT_EQ(amz_date(1369353600), date);
}

}  // namespace
}  // namespace nbdstream::s3

// SPDX-License-Identifier: BSD-3-Clause
//
// The sink s3 without errors: its requests, and the object that they make.
#include "support/certificates.hpp"
#include "support/s3_test.hpp"

namespace nbdstream::test {
namespace {

/// The parts of a stream of 12 MiB with a part size of 5 MiB.
const std::vector<std::uint64_t> three_parts{5 * MiB, 5 * MiB, 2 * MiB};

class S3Upload : public s3_test {
 protected:
  /// How many parts of this length were stored.
  [[nodiscard]] std::size_t parts_of(std::uint64_t length) const {
    return logged({R"("operation": "UploadPart")", R"("status": 200)",
                   R"("length": )" + std::to_string(length) + ","});
  }

  /// The headers of an object, which the server keeps as JSON.
  [[nodiscard]] std::string headers_of(const std::string& key = "key") const {
    return read_file(path("s3/about/bucket/" + key));
  }

  void start_tls_server(const arguments& options = {}) {
    ASSERT_TRUE(ended_with(0, start_shell(make_certificates("pki")).wait()));
    arguments all{"--certificate", "pki/server-cert.pem", "--private-key", "pki/server-key.pem"};
    all.insert(all.end(), options.begin(), options.end());
    start_server(all);
  }
};

TEST_F(S3Upload, StreamSmallerThanPartIsOnePutObject) {
  start_server();
  make_disk(4 * MiB);
  EXPECT_TRUE(ended_with(0, upload(to_bucket())));
  expect_whole_object();
  EXPECT_EQ(replies("PutObject", 200), 1U);
  EXPECT_EQ(logged({"Upload"}), 0U);
}

TEST_F(S3Upload, StreamOfExactlyOnePartIsOnePutObject) {
  start_server();
  make_disk(5 * MiB);
  EXPECT_TRUE(ended_with(0, upload(to_bucket())));
  expect_whole_object();
  EXPECT_EQ(replies("PutObject", 200), 1U);
}

TEST_F(S3Upload, LargerStreamIsEqualPartsAndShorterLastPart) {
  start_server();
  make_disk(12 * MiB);
  for (const arguments& size : {arguments{}, {"--size", "12M"}}) {
    arguments args = to_bucket({"overwrite=true"});
    args.insert(args.end(), size.begin(), size.end());
    EXPECT_TRUE(ended_with(0, upload(args)));
    expect_whole_object();
  }
  EXPECT_EQ(parts_of(5 * MiB), 4U);
  EXPECT_EQ(parts_of(2 * MiB), 2U);
  EXPECT_EQ(replies("CompleteMultipartUpload", 200), 2U);
}

TEST_F(S3Upload, WholeNumberOfPartsHasNoEmptyPart) {
  start_server();
  make_disk(10 * MiB);
  EXPECT_TRUE(ended_with(0, upload(to_bucket())));
  expect_whole_object();
  EXPECT_EQ(logged({"UploadPart", "reply"}), 2U);
}

TEST_F(S3Upload, ZeroesMakeObjectOfZeroes) {
  start_server();
  make_sparse(path("in.raw"), 0);
  std::filesystem::resize_file(path("in.raw"), 21 * MiB);
  make_qcow2(path("in.qcow2"), path("in.raw"));
  EXPECT_TRUE(ended_with(0, upload(to_bucket())));
  expect_whole_object();
}

TEST_F(S3Upload, FourConnectionsMakeOneObject) {
  start_server();
  make_disk(32 * MiB);
  EXPECT_TRUE(ended_with(0, upload(to_bucket(), R"(nbdcopy -C 4 in.raw "$uri")")));
  expect_whole_object();
}

TEST_F(S3Upload, LimitsConcurrentConnections) {
  start_faulty_server(R"([{"on": "UploadPart", "do": "slow", "rate": 20000000}])");
  make_disk(48 * MiB);
  EXPECT_TRUE(ended_with(0, upload(to_bucket({"connections=3"}))));
  expect_whole_object();
  EXPECT_EQ(logged({"UploadPart", R"("together": 3})"}) > 0, true);
  EXPECT_EQ(logged({"UploadPart", R"("together": 4})"}), 0U);
}

TEST_F(S3Upload, AcceptsKeysWithSpecialCharacters) {
  start_server();
  make_disk(6 * MiB);
  const std::vector<std::pair<std::string, std::string>> keys{
      {"a b+c", "a%20b%2Bc"},
      {"x:(1)!'*~", "x%3A%281%29%21%27%2A~"},
      {"caf\u00e9/\u20ac", "caf%C3%A9%2F%E2%82%AC"},
      {"a/../b/./c", "a%2F..%2Fb%2F.%2Fc"},
      {"50%25&x=y?#", "50%2525%26x%3Dy%3F%23"}};
  std::set<std::string> expected;
  for (const auto& [key, name] : keys) {
    EXPECT_TRUE(ended_with(0, upload(to_bucket({}, key)))) << key;
    EXPECT_TRUE(same_content(object(name), path("in.raw"))) << key;
    expected.insert(name);
  }
  EXPECT_EQ(objects(), expected);
}

TEST_F(S3Upload, KeyMayContainExportAndStream) {
  start_server();
  make_raw(path("in.raw"), 2 * MiB);
  arguments args = to_bucket({}, "{export}/{stream}");
  args.insert(args.end(),
              {"-U", "sock", "-P", "pid", "--streams", "2", "-e", "vm1", "--size", "2M"});
  process server = start_nbdstream(args, with_keys());
  wait_for("pid");
  for (int stream = 0; stream < 2; ++stream)
    EXPECT_TRUE(ended_with(
        0, start({"nbdcopy", "-C", "1", "in.raw", "nbd+unix:///vm1?socket=sock"}).wait()));
  EXPECT_TRUE(ended_with(0, server.wait()));
  EXPECT_EQ(objects(), (std::set<std::string>{"vm1%2F1", "vm1%2F2"}));
  expect_whole_object("vm1%2F2");
}

TEST_F(S3Upload, OverwriteReplacesObject) {
  start_server();
  make_disk(6 * MiB);
  put_object("key", "old");
  EXPECT_TRUE(ended_with(0, upload(to_bucket({"overwrite=true"}))));
  expect_whole_object();
}

TEST_F(S3Upload, SendsStorageClassEncryptionAndHeaders) {
  start_server();
  make_disk(6 * MiB);
  EXPECT_TRUE(ended_with(
      0, upload(to_bucket({"storage-class=STANDARD_IA", "sse=AES256",
                           "headers=x-amz-meta-vm: vm1; Content-Type: application/x-raw-disk"}))));
  for (const char* part :
       {R"("x-amz-storage-class": "STANDARD_IA")", R"("x-amz-server-side-encryption": "AES256")",
        R"("x-amz-meta-vm": "vm1")", R"("content-type": "application/x-raw-disk")"})
    EXPECT_TRUE(mentions(headers_of(), part));
}

TEST_F(S3Upload, SendsSessionToken) {
  start_server({"--key", "AK2:SK2:TOKEN/+="});
  make_disk(6 * MiB);
  EXPECT_TRUE(ended_with(0, upload(to_bucket(), convert,
                                   {"AWS_ACCESS_KEY_ID=AK2", "AWS_SECRET_ACCESS_KEY=SK2",
                                    "AWS_SESSION_TOKEN=TOKEN/+="})));
  expect_whole_object();
}

TEST_F(S3Upload, SendsConfiguredChecksum) {
  start_server({"--checksums"});
  for (const auto* size : {"3M", "12M"}) {
    make_disk(size == std::string("3M") ? 3 * MiB : 12 * MiB);
    for (const auto* checksum : {"checksum=md5", "checksum=sha256"}) {
      EXPECT_TRUE(ended_with(0, upload(to_bucket({checksum, "overwrite=true"})))) << checksum;
      expect_whole_object();
    }
  }
  EXPECT_EQ(logged({R"("status": 400)"}), 0U);
}

TEST_F(S3Upload, AddsChecksumForBucketWithObjectLock) {
  start_server({"--checksums"});
  for (const std::uint64_t size : {3 * MiB, 12 * MiB}) {
    make_disk(size);
    EXPECT_TRUE(ended_with(0, upload(to_bucket({"overwrite=true"}))));
    expect_whole_object();
  }
}

TEST_F(S3Upload, SupportsVirtualHostAddressing) {
  start_server();
  make_disk(6 * MiB);
  const std::string port = endpoint().substr(endpoint().rfind(':'));
  EXPECT_TRUE(
      ended_with(0, upload({"--sink", "s3://bucket/key", "-o", "part-size=5M", "-o",
                            "endpoint=http://localhost" + port, "-o", "addressing=virtual"})));
  expect_whole_object();
}

TEST_F(S3Upload, ReadsEndpointFromEnvironment) {
  start_server();
  make_disk(4 * MiB);
  for (const std::string name : {"AWS_ENDPOINT_URL_S3=", "AWS_ENDPOINT_URL="}) {
    EXPECT_TRUE(ended_with(0, upload({"--sink", "s3:bucket/key", "-o", "overwrite=true"}, convert,
                                     {name + endpoint()})));
    expect_whole_object();
  }
}

TEST_F(S3Upload, TrustsConfiguredCertificateAuthority) {
  start_tls_server();
  make_disk(6 * MiB);
  for (const arguments& settings :
       {arguments{"ca-file=pki/ca-cert.pem"},
        {"ca-file=pki/ca-cert.pem", "sign-payload=false", "overwrite=true"}}) {
    EXPECT_TRUE(ended_with(0, upload(to_bucket(settings))));
    expect_whole_object();
  }
  EXPECT_TRUE(ended_with(
      0, upload(to_bucket({"overwrite=true"}), convert, {"AWS_CA_BUNDLE=pki/ca-cert.pem"})));
}

TEST_F(S3Upload, RefusesUnknownCertificateAuthority) {
  start_tls_server();
  make_disk(6 * MiB);
  const result ended = upload(to_bucket({"retry-timeout=1s"}));
  EXPECT_NE(ended.status, 0);
  EXPECT_TRUE(mentions(ended.err, "certificate"));
  EXPECT_EQ(logged({"event"}), 0U);
  expect_nothing_left();
}

TEST_F(S3Upload, ReadsKeysFromProfile) {
  start_server({"--key", "AK2:SK2"});
  make_disk(6 * MiB);
  std::filesystem::create_directory(path(".aws"));
  write_file(path(".aws/credentials"),
             "[default]\naws_access_key_id = AK\naws_secret_access_key = wrong\n\n"
             "[backup]\naws_access_key_id = AK2\naws_secret_access_key = SK2\n");
  EXPECT_TRUE(ended_with(0, upload(to_bucket({"profile=backup"}), convert,
                                   {"AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY="})));
  expect_whole_object();
  EXPECT_EQ(logged({R"("access_key": "AK")"}), 0U);
}

TEST_F(S3Upload, ReadsKeysFromCredentialProcess) {
  start_server({"--key", "AK2:SK2:TOKEN"});
  make_disk(6 * MiB);
  std::filesystem::create_directory(path(".aws"));
  write_file(path("process"),
             "#!/bin/sh\necho '{\"Version\": 1, \"AccessKeyId\": \"AK2\","
             " \"SecretAccessKey\": \"SK2\", \"SessionToken\": \"TOKEN\"}'\n");
  std::filesystem::permissions(path("process"), std::filesystem::perms::owner_all);
  write_file(path(".aws/config"),
             "[profile backup]\ncredential_process = " + path("process").string() + "\n");
  EXPECT_TRUE(ended_with(
      0, upload(to_bucket(), convert,
                {"AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_PROFILE=backup"})));
  expect_whole_object();
}

TEST_F(S3Upload, PassesCheckSink) {
  start_server({"--versioning"});
  const result ended =
      nbdstream({"--check-sink", "s3://bucket/check-{stream}-{time}", "-o", "part-size=5M", "-o",
                 "endpoint=" + endpoint(), "-o", "overwrite=true"},
                with_keys());
  EXPECT_TRUE(ended_with(0, ended)) << ended.out;
  EXPECT_EQ(open_uploads(), 0U);
}

}  // namespace
}  // namespace nbdstream::test

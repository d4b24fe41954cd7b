// SPDX-License-Identifier: BSD-3-Clause
//
// A client sends a write, NBD_CMD_DISC and the end of its connection at once, before the sink has a
// reader. The server must never count the disconnect without the data.
#include "support/certificates.hpp"
#include "support/integration_test.hpp"

namespace nbdstream::test {
namespace {

/// One byte, lengths around that of a TLS record (16 KiB), and payloads that are spliced.
constexpr std::uint64_t sizes[] = {1, 100, 4096, 16384, 16385, 32768, 65536, 150'000};

class WriteAndDisconnectAtOnce : public integration_test,
                                 public ::testing::WithParamInterface<bool> {
 protected:
  void SetUp() override {
    if (!encrypted()) return;
    ASSERT_TRUE(ended_with(0, start_shell(make_certificates("certs")).wait()));
  }
  static bool encrypted() { return GetParam(); }

  [[nodiscard]] process start_server(const arguments& sink) {
    std::filesystem::remove(path("pid"));
    arguments args = sink;
    if (encrypted()) args.insert(args.end(), {"--tls", "require", "--tls-certificates", "certs"});
    return start_listening(args);
  }
  [[nodiscard]] process start_sayer(std::uint64_t size, const std::string& ending) const {
    std::filesystem::remove(path("said"));
    arguments args{"/usr/bin/python3", source_directory + "/tests/support/all_at_once.py", "sock",
                   std::to_string(size), ending};
    if (encrypted()) args.emplace_back("certs/ca-cert.pem");
    return start(args);
  }
  [[nodiscard]] bool is_whole(const std::string& file, std::uint64_t size) const {
    return read_file(path(file)) == std::string(size, 'x');
  }
};

TEST_P(WriteAndDisconnectAtOnce, FifoGetsAllDataIfClientReadsReplies) {
  for (const auto size : sizes) {
    process server = start_server({"--sink", "fifo:output"});
    process client = start_sayer(size, "half");
    wait_for("said");
    process reader = start_reader();
    EXPECT_TRUE(ended_with(0, client.wait())) << size;
    EXPECT_TRUE(ended_with(0, server.wait())) << size;
    EXPECT_TRUE(ended_with(0, reader.wait()));
    EXPECT_TRUE(is_whole("out.raw", size)) << size;
  }
}

TEST_P(WriteAndDisconnectAtOnce, StreamIsWholeOrAbortedIfClientIsGone) {
  for (const auto size : sizes) {
    process server = start_server({"--sink", "fifo:output"});
    EXPECT_TRUE(ended_with(0, start_sayer(size, "gone").wait()));
    process reader = start_reader();
    const result ended = server.wait();
    // If there was no stream, the server may never have opened the FIFO, and its reader still
    // waits.
    if (ended.status != 0) reader.signal(SIGTERM);
    static_cast<void>(reader.wait());
    EXPECT_TRUE(ended.status == 1 || is_whole("out.raw", size)) << size << "\n" << ended.err;
    EXPECT_TRUE(ended.status == 0 || ended.status == 1) << ended.status;
  }
}

/// A worker thread writes a file, and reads the payload from the connection.
TEST_P(WriteAndDisconnectAtOnce, StdoutFileGetsAllDataIfClientReadsReplies) {
  const std::string tls = encrypted() ? " --tls require --tls-certificates certs" : "";
  for (const std::uint64_t size : {std::uint64_t{100}, std::uint64_t{150'000}, 24 * MiB}) {
    std::filesystem::remove(path("pid"));
    process server = start_shell("exec nbdstream -U sock -P pid --sink stdout" + tls + " >out.raw");
    wait_for("pid");
    EXPECT_TRUE(ended_with(0, start_sayer(size, "half").wait())) << size;
    EXPECT_TRUE(ended_with(0, server.wait())) << size;
    EXPECT_TRUE(is_whole("out.raw", size)) << size;
  }
}

INSTANTIATE_TEST_SUITE_P(Over, WriteAndDisconnectAtOnce, ::testing::Bool(), [](const auto& with) {
  return with.param ? std::string("tls") : std::string("unix");
});

}  // namespace
}  // namespace nbdstream::test

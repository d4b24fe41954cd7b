// SPDX-License-Identifier: BSD-3-Clause
//
// The sink `file` with a loop device, which only root can make. abi/file_device_test.cpp makes the
// same system calls with regular files.
#include "support/loop_device.hpp"

#include <algorithm>

namespace nbdstream::test {
namespace {

constexpr std::uint64_t device_size = 24 * MiB;

class BlockDevice : public with_loop_device<integration_test> {
 protected:
  void SetUp() override { make_device(old_); }

  /// The arguments that run `command` as the client, with the device as the sink.
  [[nodiscard]] arguments into_device(const std::string& command,
                                      const arguments& more = {}) const {
    arguments args{"--sink", "file:" + device_, "--run", command};
    args.insert(args.end(), more.begin(), more.end());
    return args;
  }

  const std::string old_ = pattern(device_size, 7);
};

TEST_F(BlockDevice, ImageReplacesTheOldContent) {
  make_disk(16 * MiB);
  const result ended = nbdstream(into_device(convert));
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_TRUE(mentions(ended.err, "the last 8388608 bytes of the device are what they were"));
  std::string expected = old_;
  const std::string image = read_file(path("in.raw"));
  expected.replace(0, image.size(), image);
  EXPECT_TRUE(content() == expected);
}

TEST_F(BlockDevice, ReceivesUnalignedZeroes) {
  const std::string script =
      "h.pwrite(b'a' * 1000, 0); h.zero(5000001, 1000); h.pwrite(b'b', "
      "5001001); h.zero(123, 5001002)";
  EXPECT_TRUE(ended_with(0, nbdstream(into_device(client_command(script)))));
  std::string expected = old_;
  const std::string stream =
      std::string(1000, 'a') + std::string(5000001, '\0') + "b" + std::string(123, '\0');
  expected.replace(0, stream.size(), stream);
  EXPECT_TRUE(content() == expected);
}

TEST_F(BlockDevice, CanBeFilledToItsLastByte) {
  make_raw(path("in.raw"), device_size);
  const auto full = into_device(R"(nbdcopy in.raw "$uri")", {"--size", "24M"});
  EXPECT_TRUE(ended_with(0, nbdstream(full)));
  EXPECT_TRUE(content() == read_file(path("in.raw")));
}

TEST_F(BlockDevice, StreamLargerThanTheDeviceIsRefusedUnwritten) {
  process server = start_listening({"--sink", "file:" + device_, "--size", "25M"});
  EXPECT_TRUE(ended_with(0, client("fails_with(errno.ENOSPC, h.pwrite, b'x' * 4096, 0)")));
  const result ended = server.wait();
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "has 25165824 bytes, too few for a stream of 26214400"));
  EXPECT_TRUE(content() == old_);
}

TEST_F(BlockDevice, WriteBeyondTheEndFailsWithEnospc) {
  process server = start_listening({"--sink", "file:" + device_});
  EXPECT_TRUE(ended_with(0, client("send(b'x' * (24 << 20), 0, 1 << 20);"
                                   "fails_with(errno.ENOSPC, h.pwrite, b'x' * 4096, 24 << 20)")));
  EXPECT_TRUE(ended_with(1, server.wait()));
}

TEST_F(BlockDevice, ZeroesBeyondTheEndFailWithEnospc) {
  const auto zeroes = into_device(client_command("h.zero(25 << 20, 0); h.pwrite(b'x', 25 << 20)"));
  const result ended = nbdstream(zeroes);
  EXPECT_NE(ended.status, 0);
  EXPECT_TRUE(mentions(ended.err, "No space left on device"));
}

TEST_F(BlockDevice, LogReportsAPartialStreamAfterAnAbort) {
  const auto failing = into_device(client_command("send(b'x' * 4096)") + "; exit 3");
  const result ended = nbdstream(failing);
  EXPECT_TRUE(ended_with(3, ended));
  EXPECT_TRUE(mentions(ended.err, device_ + " holds a part of a stream that was aborted"));
}

TEST_F(BlockDevice, DeviceInUseIsRefusedAtTheStart) {
  const file_descriptor user(::open(device_.c_str(), O_RDONLY | O_EXCL | O_CLOEXEC));
  ASSERT_GE(user.get(), 0);
  const result ended = nbdstream({"--sink", "file:" + device_, "-U", "sock"});
  EXPECT_TRUE(ended_with(2, ended));
  EXPECT_TRUE(mentions(ended.err, device_ + " is in use"));
  EXPECT_FALSE(std::filesystem::exists(path("sock")));
}

TEST_F(BlockDevice, FifoSinkRefusesItAndSuggestsTheFileSink) {
  const result ended = nbdstream({"--sink", "fifo:" + device_, "-U", "sock"});
  EXPECT_TRUE(ended_with(2, ended));
  EXPECT_TRUE(mentions(ended.err, "`file`"));
}

}  // namespace
}  // namespace nbdstream::test

// SPDX-License-Identifier: BSD-3-Clause
//
// The main use: the bytes that qemu-img writes come out of a named pipe unchanged.
#include "support/integration_test.hpp"

namespace nbdstream::test {
namespace {

using FifoCopy = integration_test;

TEST_F(FifoCopy, Qcow2ArrivesAsRawImage) {
  make_disk();
  expect_in_raw_from(convert);
}

/// The parameters of nbdkit-streaming-plugin(1), which nbdstream accepts too.
class NbdkitPluginParameters : public integration_test,
                               public ::testing::WithParamInterface<std::string> {};

TEST_P(NbdkitPluginParameters, StillWork) {
  make_disk();
  process reader = start_reader();
  process server = start_shell("exec nbdstream -U nbd.sock " + GetParam() +
                               " --run 'qemu-img convert -n in.qcow2 -O raw $nbd'");
  EXPECT_TRUE(ended_with(0, server.wait()));
  EXPECT_TRUE(ended_with(0, reader.wait()));
  EXPECT_TRUE(same_content(path("out.raw"), path("in.raw")));
}

INSTANTIATE_TEST_SUITE_P(Documented, NbdkitPluginParameters,
                         ::testing::Values("pipe=output", "write=output", "pipe=output size=8M"));

TEST_F(FifoCopy, EmptyDiskArrivesAsZeroes) {
  write_file(path("in.raw"), std::string(4 * MiB, '\0'));
  make_qcow2(path("in.qcow2"), path("in.raw"));
  expect_in_raw_from(convert);
}

TEST_F(FifoCopy, ShorterSourceIsPaddedWithZeroesUnlessNoPad) {
  make_disk(8 * MiB);
  expect_in_raw_from(convert, {"--size", "10M", "--no-pad"});
  std::filesystem::resize_file(path("in.raw"), 10 * MiB);
  expect_in_raw_from(convert, {"--size", "10M"});
}

/// Source sizes that are not multiples of 512 bytes. qemu-img rounds them up.
class OddSize : public integration_test, public ::testing::WithParamInterface<std::size_t> {};

TEST_P(OddSize, PaddingOfQemuImgIsDropped) {
  make_raw(path("in.raw"), GetParam());
  expect_in_raw_from(R"(qemu-img convert -n -f raw in.raw -O raw "$uri")",
                     {"--size", std::to_string(GetParam())});
}

INSTANTIATE_TEST_SUITE_P(Bytes, OddSize, ::testing::Values(1, 511, 513, 1000, 3 * MiB + 1));

TEST_F(FifoCopy, WorksOverTcp) {
  make_disk();
  expect_in_raw_from(convert, {"-p", std::to_string(free_port())});
}

/// nbdkit-streaming-plugin's own test: ten writes of 64 KiB of ones over stdin and stdout.
TEST_F(FifoCopy, PassesTestOfNbdkitStreamingPlugin) {
  process reader = start_reader();
  const result ended = start({"nbdsh", "-c", R"(
h.connect_command(["nbdstream", "-s", "--exit-with-parent", "write=output", "size=640k"])
for i in range(10):
    h.pwrite(b"\x01" * 65536, i * 65536)
h.shutdown()
)"})
                           .wait();
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_TRUE(ended_with(0, reader.wait()));
  const std::string md5 = start({"md5sum", "out.raw"}).wait().out;
  EXPECT_EQ(md5.substr(0, 32), "2c7f81c580f7f9eb52c1bd2f6f493b6f");
}

}  // namespace
}  // namespace nbdstream::test

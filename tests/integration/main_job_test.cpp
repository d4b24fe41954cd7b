// SPDX-License-Identifier: BSD-3-Clause
//
// The main job: what qemu-img writes comes out of a named pipe, bit for bit.
#include "support/integration_test.hpp"

namespace nbdstream::test {
namespace {

using main_job = integration_test;

TEST_F(main_job, qcow2_arrives_in_a_fifo_as_the_raw_image) {
  make_disk();
  expect_in_raw_from(convert);
}

/// The words of nbdkit-streaming-plugin(1), which stay valid.
class documented_words : public integration_test,
                         public ::testing::WithParamInterface<std::string> {};

TEST_P(documented_words, still_work) {
  make_disk();
  process reader = start_reader();
  process server = start_shell("exec nbdstream -U nbd.sock " + GetParam() +
                               " --run 'qemu-img convert -n in.qcow2 -O raw $nbd'");
  EXPECT_TRUE(ended_with(0, server.wait()));
  EXPECT_TRUE(ended_with(0, reader.wait()));
  EXPECT_TRUE(same_content(path("out.raw"), path("in.raw")));
}

INSTANTIATE_TEST_SUITE_P(main_job, documented_words,
                         ::testing::Values("pipe=output", "write=output", "pipe=output size=8M"));

TEST_F(main_job, empty_disk_arrives_as_zeroes) {
  write_file(path("in.raw"), std::string(4 * MiB, '\0'));
  make_qcow2(path("in.qcow2"), path("in.raw"));
  expect_in_raw_from(convert);
}

TEST_F(main_job, source_smaller_than_the_size_is_padded_with_zeroes_unless_told_not_to) {
  make_disk(8 * MiB);
  expect_in_raw_from(convert, {"--size", "10M", "--no-pad"});
  std::filesystem::resize_file(path("in.raw"), 10 * MiB);
  expect_in_raw_from(convert, {"--size", "10M"});
}

/// Sources that are no multiple of 512, which qemu-img rounds up.
class odd_size : public integration_test, public ::testing::WithParamInterface<std::size_t> {};

TEST_P(odd_size, arrives_without_what_qemu_img_rounds_up) {
  make_raw(path("in.raw"), GetParam());
  expect_in_raw_from(R"(qemu-img convert -n -f raw in.raw -O raw "$uri")",
                     {"--size", std::to_string(GetParam())});
}

INSTANTIATE_TEST_SUITE_P(main_job, odd_size, ::testing::Values(1, 511, 513, 1000, 3 * MiB + 1));

TEST_F(main_job, works_over_tcp) {
  make_disk();
  expect_in_raw_from(convert, {"-p", std::to_string(free_port())});
}

/// nbdkit-streaming-plugin's own test: ten writes of 64 KiB of ones over stdin and stdout.
TEST_F(main_job, passes_the_old_plugins_own_test) {
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

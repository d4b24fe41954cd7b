// SPDX-License-Identifier: BSD-3-Clause
//
// `nbdstream apply` to NBD servers and to a block device. Neither can store a snapshot name.
#include "support/loop_device.hpp"
#include "support/restore_test.hpp"

#include <fcntl.h>

namespace nbdstream::test {
namespace {

class ApplyToServer : public restore_test {
 protected:
  /// Runs nbdkit with `args`, and `command` as its client, which finds the URI in $uri.
  result with_nbdkit(const arguments& args, const std::string& command) const {
    arguments all{"nbdkit", "-U", "-"};
    all.insert(all.end(), args.begin(), args.end());
    all.insert(all.end(), {"--run", command});
    return start(all).wait();
  }
};

TEST_F(ApplyToServer, WritesTheDiskOfAChain) {
  const result ended = with_nbdkit({"memory", "100000"},
                                   R"(nbdstream apply "$uri" full monday --verify &&
                                      nbdcopy "$uri" copy.raw)");
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_TRUE(holds(path("copy.raw"), monday_.disk()));
}

TEST_F(ApplyToServer, ReadsAChainFromAPipe) {
  write_file(path("disk.raw"), pattern(size, 9));
  const result ended =
      with_nbdkit({"file", "disk.raw"}, R"(cat full monday | nbdstream apply --in-place "$uri")");
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_TRUE(holds(path("disk.raw"), monday_.disk()));
}

TEST_F(ApplyToServer, WritesZeroesToAServerWithoutWriteZeroes) {
  write_file(path("disk.raw"), pattern(size, 9));
  EXPECT_TRUE(ended_with(0, with_nbdkit({"--filter=nozero", "file", "disk.raw"},
                                        R"(nbdstream apply --verify "$uri" full)")));
  EXPECT_TRUE(holds(path("disk.raw"), full_.disk()));
}

/// A server may execute requests in flight in any order. The filter makes that likely.
TEST_F(ApplyToServer, KeepsTheOrderOfOverlappingRecords) {
  std::mt19937 random(5);
  const auto made = random_diff(random, "", 8 * MiB, {}, "a", 40);
  write_file(path("random"), made.whole());
  write_file(path("disk.raw"), pattern(8 * MiB, 9));
  EXPECT_TRUE(ended_with(
      0, with_nbdkit({"--filter=delay", "file", "disk.raw", "delay-write=1ms", "delay-zero=4ms"},
                     R"(nbdstream apply "$uri" random --verify)")));
  EXPECT_TRUE(holds(path("disk.raw"), made.disk()));
}

TEST_F(ApplyToServer, IncrementalDiffNeedsFrom) {
  write_file(path("disk.raw"), full_.disk());
  const result refused = with_nbdkit({"file", "disk.raw"}, R"(nbdstream apply "$uri" monday)");
  EXPECT_TRUE(ended_with(1, refused));
  EXPECT_TRUE(mentions(refused.err, R"(say --from "sunday")"));
  EXPECT_TRUE(holds(path("disk.raw"), full_.disk()));
  EXPECT_TRUE(ended_with(
      0, with_nbdkit({"file", "disk.raw"}, R"(nbdstream apply --from sunday "$uri" monday)")));
  EXPECT_TRUE(holds(path("disk.raw"), monday_.disk()));
}

TEST_F(ApplyToServer, RefusesADiskOfAnotherSizeDespiteResize) {
  const result ended = with_nbdkit({"memory", "99328"}, R"(nbdstream apply --resize "$uri" full)");
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "has 99328 bytes, but the diff is of a disk of 100000"));
}

TEST_F(ApplyToServer, RefusesAReadOnlyExport) {
  const result ended = with_nbdkit({"-r", "memory", "100000"}, R"(nbdstream apply "$uri" full)");
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "is read-only"));
}

TEST_F(ApplyToServer, ReportsTheErrorOfAWrite) {
  const result ended = with_nbdkit(
      {"--filter=error", "memory", "100000", "error-pwrite=ENOSPC", "error-pwrite-rate=100%"},
      R"(nbdstream apply "$uri" full)");
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "the server answers: No space left on device"));
  EXPECT_TRUE(mentions(ended.err, "is not whole now: apply a full diff again"));
}

TEST_F(ApplyToServer, ReportsTheErrorOfAFlush) {
  const result ended = with_nbdkit(
      {"eval", "get_size=echo 100000", "pread=head -c $3 /dev/zero", "pwrite=cat > /dev/null",
       "can_write=exit 0", "can_flush=exit 0", "flush=echo EIO broken >&2; exit 1"},
      R"(nbdstream apply "$uri" full)");
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "the server answers: Input/output error"));
}

TEST_F(ApplyToServer, ReportsAMissingSocket) {
  EXPECT_TRUE(mentions(line_of(1, {"apply", "nbd+unix:///?socket=none", "full"}),
                       "No such file or directory"));
}

/// The server discards writes, and returns a disk with one wrong byte.
TEST_F(ApplyToServer, VerifyReportsTheOffsetOfTheFirstWrongByte) {
  for (const std::uint64_t at : {std::uint64_t{0}, std::uint64_t{30'000}, size - 1}) {
    std::string flipped = monday_.disk();
    flipped[at] = static_cast<char>(flipped[at] ^ 1);
    write_file(path("flipped"), flipped);
    const result ended = with_nbdkit(
        {"eval", "get_size=echo 100000",
         "pread=dd if=flipped skip=$4 count=$3 iflag=count_bytes,skip_bytes status=none",
         "pwrite=cat > /dev/null", "can_write=exit 0"},
        R"(nbdstream apply "$uri" full monday --verify)");
    EXPECT_TRUE(ended_with(1, ended));
    EXPECT_TRUE(
        mentions(ended.err, "the first byte that differs is at offset " + std::to_string(at)));
  }
}

TEST_F(ApplyToServer, VerifyRefusesADiffFromAPipe) {
  const result ended =
      with_nbdkit({"memory", "100000"}, R"(cat full | nbdstream apply --in-place --verify "$uri")");
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "cannot be read again for --verify"));
}

TEST_F(ApplyToServer, SigtermEndsItWhileTheServerDoesNotReply) {
  process server = start({"nbdkit", "-f", "-U", "sock", "-P", "pid", "--filter=delay", "memory",
                          "100000", "delay-write=3600", "delay-zero=3600"});
  wait_for("pid");
  process it = start_nbdstream({"apply", "nbd+unix:///?socket=sock", "full"});
  EXPECT_TRUE(eventually([&] {
    return read_file("/proc/" + std::to_string(it.pid()) + "/wchan").find("poll") !=
           std::string::npos;
  }));
  it.signal(SIGTERM);
  EXPECT_TRUE(ended_with(128 + SIGTERM, it.wait()));
  server.signal(SIGKILL);
  static_cast<void>(server.wait());
}

class ApplyToDevice : public with_loop_device<restore_test> {
 protected:
  void SetUp() override { make_device(pattern(device_size, 7)); }

  static constexpr std::uint64_t device_size = 4 * MiB;
};

TEST_F(ApplyToDevice, FullAndIncrementalDiffsReplaceTheOldContent) {
  diff_stream full({std::nullopt, "a", device_size});
  full.data(5'000, pattern(100'000)).zeroes(6'000, 9'001).data(device_size - 1, "x");
  diff_stream next({"a", "b", device_size}, full.disk());
  next.data(1'000'001, pattern(50'000, 4)).zeroes(0, 50'000);
  write_file(path("all"), full.whole());
  write_file(path("next"), next.whole());
  EXPECT_TRUE(ended_with(0, nbdstream({"apply", "--verify", device_, "all"})));
  EXPECT_TRUE(content() == full.disk());
  EXPECT_TRUE(mentions(line_of(1, {"apply", device_, "next"}), R"(say --from "a")"));
  EXPECT_TRUE(ended_with(0, nbdstream({"apply", "--verify", "--from", "a", device_, "next"})));
  EXPECT_TRUE(content() == next.disk());
}

TEST_F(ApplyToDevice, RefusesADeviceOfAnotherSize) {
  EXPECT_TRUE(mentions(line_of(1, {"apply", "--resize", device_, "full"}),
                       "has 4194304 bytes, but the diff is of a disk of 100000"));
  EXPECT_TRUE(content() == pattern(device_size, 7));
}

TEST_F(ApplyToDevice, RefusesADeviceInUse) {
  const file_descriptor user(::open(device_.c_str(), O_RDONLY | O_EXCL | O_CLOEXEC));
  ASSERT_GE(user.get(), 0);
  EXPECT_TRUE(mentions(line_of(1, {"apply", device_, "full"}), device_ + " is in use"));
}

}  // namespace
}  // namespace nbdstream::test

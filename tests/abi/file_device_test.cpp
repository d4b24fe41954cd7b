// SPDX-License-Identifier: BSD-3-Clause
//
// What the sink `file` does with block devices, tried on files that have content, as devices have:
// the calls of the system are the same. A real device is in integration/file_device_test.cpp.
#include <fcntl.h>
#include <gtest/gtest.h>

#include "file/write_back.hpp"
#include "file/zeroes.hpp"
#include "host.hpp"
#include "surroundings.hpp"

namespace sink_tests {
namespace {

using nbdstream::file::zeroes;
using way = zeroes::way;

constexpr uint64_t page = 4096;

struct DeviceZeroes : ::testing::TestWithParam<way> {
  directory here;
  const std::string path = here / "device";

  /// Puts `length` zeroes at `offset` of a file of 40,000 bytes of old content, the way the sink
  /// is called: until all are there. What is not supported is written.
  void expect_zeroes(int64_t offset, uint64_t length) const {
    std::string expected = pattern(40'000, 7);
    create_file(path, expected);
    const descriptor fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    ASSERT_EQ(::lseek(fd.get(), offset, SEEK_SET), offset);
    zeroes device(page, GetParam());
    uint64_t left = length;
    while (left > 0) {
      const int64_t taken = device.put(fd.get(), left);
      if (taken == -ENOTSUP) break;
      ASSERT_GT(taken, 0);
      ASSERT_LE(uint64_t(taken), left);
      left -= uint64_t(taken);
      ASSERT_EQ(::lseek(fd.get(), 0, SEEK_CUR), offset + int64_t(length - left));
    }
    const std::string rest(left, '\0');
    ASSERT_EQ(::write(fd.get(), rest.data(), rest.size()), ssize_t(rest.size()));
    expected.replace(size_t(offset), length, length, '\0');
    EXPECT_TRUE(contents_of(path) == expected) << length << " bytes at " << offset;
  }
};

TEST_P(DeviceZeroes, ReplaceExactlyTheirRange) {
  for (const int64_t offset : {0, 1, 4095, 4096, 4097, 8192})
    for (const uint64_t length : {1, 4095, 4096, 4097, 8191, 12'288, 20'000})
      expect_zeroes(offset, length);
}

INSTANTIATE_TEST_SUITE_P(Ways, DeviceZeroes,
                         ::testing::Values(way::discarded, way::in_kernel, way::none));

TEST(DeviceZeroes, AreLeftToTheHostWhereNothingSupportsThem) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const descriptor in(ends[1]), out(ends[0]);
  zeroes none(page, way::none);
  EXPECT_EQ(none.put(in.get(), 1 << 20), -ENOTSUP);
}

TEST(DeviceZeroes, AreWrittenInPiecesSoThatTheHostCanStop) {
  const directory here;
  create_file(here / "device");
  const descriptor fd(::open((here / "device").c_str(), O_RDWR | O_CLOEXEC));
  zeroes device(page);
  EXPECT_EQ(device.put(fd.get(), uint64_t{1} << 40), 64 << 20);
}

TEST(WriteBack, EndsSoonAfterStop) {
  const directory here;
  create_file(here / "data", pattern(100'000));
  const descriptor fd(::open((here / "data").c_str(), O_RDWR | O_CLOEXEC));
  std::atomic<bool> stop = false;
  EXPECT_EQ(nbdstream::file::write_back(fd.get(), 0, 100'000, stop), 0);
  stop = true;
  EXPECT_EQ(nbdstream::file::write_back(fd.get(), 0, 100'000, stop), -EINTR);
}

}  // namespace
}  // namespace sink_tests

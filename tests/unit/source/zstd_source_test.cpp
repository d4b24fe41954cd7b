// SPDX-License-Identifier: BSD-3-Clause
#include "source/zstd_source.hpp"

#include "config/config.hpp"
#include "unit/source/sources.hpp"

#include <cerrno>

namespace nbdstream::source {
namespace {

using test::in_memory;

constexpr std::size_t frame = seekable::frame_content;  // bytes

/// Frames: noise, zeroes, zeroes, text, and a short one.
std::string some_disk() {
  std::mt19937 random(1);
  std::string disk(3 * frame, '\0');
  for (std::size_t i = 0; i < frame; ++i) disk[i] = static_cast<char>(random());
  while (disk.size() < 4 * frame) disk += "some text, ";
  disk.resize(4 * frame);
  return disk + "the end";
}

TEST(ZstdSource, ReadsEachRangeAsTheDiskHasIt) {
  const auto disk = some_disk();
  zstd_source from(std::make_shared<in_memory>(test::seekable_file(disk)));
  test::expect_disk(from, disk);
}

TEST(ZstdSource, OfNothingHasNoBytes) {
  zstd_source from(std::make_shared<in_memory>(test::seekable_file("")));
  EXPECT_EQ(from.size(), 0u);
}

TEST(ZstdSource, TellsThatFramesOfZeroesAreAHole) {
  const auto disk = some_disk();
  zstd_source from(std::make_shared<in_memory>(test::seekable_file(disk)));
  source::extent found;
  ASSERT_FALSE(from.look(frame + 5, disk.size(), found));
  EXPECT_EQ(found.what, content::hole);
  EXPECT_EQ(found.end, 3 * frame);
  ASSERT_FALSE(from.look(3 * frame, disk.size(), found));
  EXPECT_EQ(found.what, content::data);
}

TEST(ZstdSource, ReadsAFrameOnceForSeveralReads) {
  const auto disk = some_disk();
  const auto file = std::make_shared<in_memory>(test::seekable_file(disk));
  zstd_source from(file);
  test::read(from, 0, 1);
  const auto before = file->read_until_now();
  test::read(from, 1000, 5000);
  EXPECT_EQ(file->read_until_now(), before);
}

TEST(ZstdSource, NamesTheFrameThatIsCorrupt) {
  const auto disk = some_disk();
  const auto file = std::make_shared<in_memory>(test::seekable_file(disk));
  zstd_source from(file);
  file->bytes()[frame / 2] ^= 1;
  std::byte byte{};
  const auto failed = from.read(100, {&byte, 1});
  EXPECT_EQ(failed.error_number, EIO);
  EXPECT_NE(failed.why.find("memory: frame 0 is corrupt"), std::string::npos) << failed.why;
  EXPECT_EQ(test::read(from, 4 * frame, 7), "the end");
}

TEST(ZstdSource, TakesNoFrameOfAnotherLengthThanItsTableSays) {
  const auto disk = some_disk();
  auto file = test::seekable_file(disk);
  // The content of the last entry, which is in front of the footer.
  file[file.size() - seekable::footer_size - 4] = 6;
  zstd_source shorter(std::make_shared<in_memory>(file));
  EXPECT_TRUE(test::read(shorter, 4 * frame, 6).starts_with("failed: "));
  file[file.size() - seekable::footer_size - 4] = 8;
  zstd_source longer(std::make_shared<in_memory>(file));
  EXPECT_TRUE(test::read(longer, 4 * frame, 8).starts_with("failed: "));
}

TEST(ZstdSource, FailsOrReadsTheSameWhateverByteIsChanged) {
  const std::string disk(30'000, 'x');
  const auto file = test::seekable_file(disk);
  for (std::size_t i = 0; i < file.size(); ++i) {
    auto changed = file;
    changed[i] ^= 0x55;
    try {
      zstd_source from(std::make_shared<in_memory>(changed));
      if (from.size() > 1 << 20) continue;
      const auto got = test::read(from, 0, from.size());
      EXPECT_TRUE(got == disk || got.starts_with("failed: ") || got.empty()) << i;
    } catch (const config::error&) {  // the table is wrong
    }
  }
}

}  // namespace
}  // namespace nbdstream::source

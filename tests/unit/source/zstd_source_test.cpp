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
  zstd_source from(std::make_shared<in_memory>(test::seekable_file(disk)), test::a_cache());
  test::expect_disk(from, disk);
}

TEST(ZstdSource, OfNothingHasNoBytes) {
  zstd_source from(std::make_shared<in_memory>(test::seekable_file("")), test::a_cache());
  EXPECT_EQ(from.size(), 0u);
}

TEST(ZstdSource, TellsThatFramesOfZeroesAreAHole) {
  const auto disk = some_disk();
  zstd_source from(std::make_shared<in_memory>(test::seekable_file(disk)), test::a_cache());
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
  zstd_source from(file, test::a_cache());
  test::read(from, 0, 1);
  const auto before = file->read_until_now();
  test::read(from, 1000, 5000);
  EXPECT_EQ(file->read_until_now(), before);
}

TEST(ZstdSource, NamesTheFrameThatIsCorrupt) {
  const auto disk = some_disk();
  const auto file = std::make_shared<in_memory>(test::seekable_file(disk));
  zstd_source from(file, test::a_cache());
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
  const auto refusal = [&] {
    try {
      zstd_source from(std::make_shared<in_memory>(file), test::a_cache());
    } catch (const config::error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  EXPECT_EQ(refusal(),
            "memory: its seek table says that frame 4 has 6 bytes of content, and it has 7: the "
            "table is corrupt");
  file[file.size() - seekable::footer_size - 4] = 8;
  EXPECT_NE(refusal(), "");
}

/// Changes the first of these bytes in it.
void damage_at(in_memory& file, std::string_view text) {
  const auto at = file.bytes().find(text);
  ASSERT_NE(at, std::string::npos);
  file.bytes()[at] ^= 1;
}

TEST(ZstdSource, TakesACorruptFrameThatMayBeOfZeroesForData) {
  const auto disk = some_disk();
  const auto file = std::make_shared<in_memory>(test::seekable_file(disk));
  zstd_source from(file, test::a_cache());
  damage_at(*file, "some text");
  source::extent found;
  ASSERT_FALSE(from.look(3 * frame, disk.size(), found));
  EXPECT_EQ(found.what, content::data);
  EXPECT_TRUE(test::read(from, 3 * frame, 1).starts_with("failed: "));
}

TEST(ZstdSource, LooksIntoACorruptFrameOnce) {
  const auto disk = some_disk();
  const auto file = std::make_shared<in_memory>(test::seekable_file(disk));
  zstd_source from(file, test::a_cache());
  damage_at(*file, "some text");
  file->bytes()[frame / 2] ^= 1;
  for (const std::size_t at : {std::size_t{0}, 3 * frame}) {
    const auto failed = test::read(from, at, 1);
    const auto before = file->read_until_now();
    EXPECT_EQ(test::read(from, at + 512, 1), failed);
    EXPECT_EQ(file->read_until_now(), before);
  }
}

TEST(ZstdSource, ReadsAFrameThatMayBeOfZeroesOnceForALookAndARead) {
  const auto disk = some_disk();
  const auto file = std::make_shared<in_memory>(test::seekable_file(disk));
  zstd_source from(file, test::a_cache());
  source::extent found;
  ASSERT_FALSE(from.look(frame, disk.size(), found));
  ASSERT_FALSE(from.look(3 * frame, disk.size(), found));
  const auto before = file->read_until_now();
  EXPECT_EQ(test::read(from, 3 * frame, 4), "some");
  ASSERT_FALSE(from.look(frame, 3 * frame, found));
  EXPECT_EQ(found.end, 3 * frame);
  EXPECT_EQ(test::read(from, 2 * frame, 1), std::string(1, '\0'));
  EXPECT_EQ(file->read_until_now(), before);
}

/// A table has no checksum.
TEST(ZstdSource, NeverReadsAnotherDiskWhateverBitOfItsTableIsChanged) {
  const auto disk = some_disk();
  const auto file = test::seekable_file(disk);
  const auto table = 8 + 5 * seekable::entry_size + seekable::footer_size;
  int refused = 0;
  for (std::size_t bit = 8 * (file.size() - table); bit < 8 * file.size(); ++bit) {
    auto changed = file;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
    try {
      zstd_source from(std::make_shared<in_memory>(changed), test::a_cache());
      ASSERT_EQ(from.size(), disk.size()) << bit;
      for (std::size_t at = 0; at < disk.size(); at += frame) {
        const auto length = std::min(frame, disk.size() - at);
        const auto got = test::read(from, at, length);
        EXPECT_TRUE(got == disk.substr(at, length) || got.starts_with("failed: ")) << bit;
      }
    } catch (const config::error&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 5 * 64);
}

TEST(ZstdSource, RefusesATableThatHidesAFrame) {
  const std::string disk(2 * frame, '\0');
  auto file = test::seekable_file(disk + "the end");
  // The third byte of the content's size, 4 MiB, in the first entry.
  file[file.size() - seekable::footer_size - 3 * seekable::entry_size + 6] = 0;
  EXPECT_THROW(zstd_source(std::make_shared<in_memory>(file), test::a_cache()), config::error);
}

TEST(ZstdSource, TakesFramesWithoutContent) {
  const auto disk = some_disk();
  auto file = test::seekable_file(disk);
  const auto number = [](std::uint32_t value) {
    std::string bytes;
    for (int i = 0; i < 4; ++i) bytes += static_cast<char>(value >> (8 * i));
    return bytes;
  };
  const auto skippable = number(0x184D2A51) + number(3) + "abc";
  const std::string empty("\x28\xb5\x2f\xfd\x20\x00\x01\x00\x00", 9);
  const auto entries = file.size() - seekable::footer_size - 5 * seekable::entry_size;
  const auto table = entries - seekable::table_header_size;
  const auto changed = skippable + empty + file.substr(0, table) + number(0x184D2A5E) +
                       number(7 * 8 + 9) + number(11) + number(0) + number(9) + number(0) +
                       file.substr(entries, 5 * seekable::entry_size) + number(7) +
                       file.substr(file.size() - 5);
  zstd_source from(std::make_shared<in_memory>(changed), test::a_cache());
  test::expect_disk(from, disk);
}

TEST(ZstdSource, FailsOrReadsTheSameWhateverByteIsChanged) {
  const std::string disk(30'000, 'x');
  const auto file = test::seekable_file(disk);
  for (std::size_t i = 0; i < file.size(); ++i) {
    auto changed = file;
    changed[i] ^= 0x55;
    try {
      zstd_source from(std::make_shared<in_memory>(changed), test::a_cache());
      if (from.size() > 1 << 20) continue;
      const auto got = test::read(from, 0, from.size());
      EXPECT_TRUE(got == disk || got.starts_with("failed: ") || got.empty()) << i;
    } catch (const config::error&) {  // the table is wrong
    }
  }
}

}  // namespace
}  // namespace nbdstream::source

// SPDX-License-Identifier: BSD-3-Clause
#include "seekable/table.hpp"

#include "seekable/table_builder.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

namespace nbdstream::seekable {
namespace {

using bytes = std::vector<std::byte>;

/// The table that a table_builder makes.
bytes built(table_builder& builder) {
  bytes out;
  std::array<std::byte, 64> piece{};
  while (const auto n = builder.take(piece))
    out.insert(out.end(), piece.begin(), piece.begin() + n);
  return out;
}

/// What is wrong with a file that has `before` bytes in front of this table.
std::string fault_of(const bytes& t, std::uint64_t before, table* into = nullptr) {
  bytes file(before);
  file.insert(file.end(), t.begin(), t.end());
  const auto file_size = file.size();
  const std::span<const std::byte> all(file);
  footer f;
  auto why = read_footer(all.last(std::min(all.size(), footer_size)), file_size, f);
  if (!why.empty()) return why;
  table made(f, file_size);
  auto rest = all.last(f.table_size());
  why = made.take_header(rest.first(table_header_size));
  if (!why.empty()) return why;
  rest = rest.subspan(table_header_size, rest.size() - table_header_size - footer_size);
  why = made.take_entries(rest);
  if (why.empty()) why = made.finish();
  if (into) *into = std::move(made);
  return why;
}

table_builder three_frames() {
  table_builder builder;
  builder.add(100);
  builder.add(7, 2);
  builder.last_is_short(5);
  return builder;
}

TEST(SeekTable, FindsEachByteInItsFrame) {
  auto builder = three_frames();
  table t({}, 0);
  EXPECT_EQ(fault_of(built(builder), 114, &t), "");
  EXPECT_EQ(t.size(), 2ULL * frame_content + 5);
  ASSERT_EQ(t.frames().size(), 3U);
  EXPECT_EQ(t.frames()[1].at, 100U);
  EXPECT_EQ(t.frames()[2].at, 107U);
  EXPECT_EQ(t.frame_with(0), 0U);
  EXPECT_EQ(t.frame_with(frame_content - 1), 0U);
  EXPECT_EQ(t.frame_with(frame_content), 1U);
  EXPECT_EQ(t.frame_with(t.size() - 1), 2U);
}

TEST(SeekTable, OfAnEmptyStreamHasNoFrames) {
  table_builder builder;
  table t({}, 0);
  EXPECT_EQ(fault_of(built(builder), 0, &t), "");
  EXPECT_EQ(t.size(), 0U);
}

TEST(SeekTable, IsRefusedWhereItDoesNotAccountForTheFile) {
  auto builder = three_frames();
  const auto t = built(builder);
  EXPECT_EQ(fault_of(t, 113), "its seek table is of 114 bytes of frames, and it has 113");
  EXPECT_EQ(fault_of(t, 115), "its seek table is of 114 bytes of frames, and it has 115");
}

TEST(SeekTable, IsRefusedWhereAnyByteOfItIsMissing) {
  auto builder = three_frames();
  const auto t = built(builder);
  for (std::size_t length = 0; length < t.size(); ++length) {
    EXPECT_NE(fault_of(bytes(t.begin(), t.begin() + static_cast<std::ptrdiff_t>(length)), 114), "")
        << length;
  }
}

TEST(SeekTable, IsRefusedWhereItsNumbersCannotBe) {
  auto builder = three_frames();
  const auto good = built(builder);
  const auto with = [&](std::size_t from_end, std::byte value) {
    auto t = good;
    t[t.size() - from_end] = value;
    return fault_of(t, 114);
  };
  EXPECT_EQ(with(1, std::byte{0}),
            "it has no seek table at its end: it is not whole, or was not made with --compress; "
            "serve what zstd -d makes of it");
  EXPECT_EQ(with(5, std::byte{4}), "its seek table is of a later format");
  EXPECT_EQ(with(6, std::byte{0x7f}),
            "its seek table says that it has 2130706435 frames, for which it is too short");
  EXPECT_EQ(with(9, std::byte{4}), "its seek table does not begin where its end says");
  EXPECT_EQ(with(10, std::byte{0x7f}),
            "its frame 2 has 2130706437 bytes of content; frames of at most 67108864 can be read");
}

}  // namespace
}  // namespace nbdstream::seekable

// SPDX-License-Identifier: BSD-3-Clause
//
// A zstd_sink in front of a sink in memory; and what has become of a stream, as libzstd and the
// description of the seekable format see it.
#ifndef NBDSTREAM_TESTS_UNIT_STAGE_ZSTD_FIXTURE_HPP
#define NBDSTREAM_TESTS_UNIT_STAGE_ZSTD_FIXTURE_HPP

#include "stage/zstd_sink.hpp"
#include "stage_fixture.hpp"

#include <boost/endian/conversion.hpp>

#include <zstd.h>

#include <string>
#include <string_view>
#include <vector>

namespace nbdstream::test {

constexpr std::size_t frame_size = 4 << 20;  // bytes of content

/// All of its frames, one behind the other; what is skippable is skipped.
inline std::string decompress(std::string_view compressed) {
  const std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> context(ZSTD_createDCtx(),
                                                                     &ZSTD_freeDCtx);
  std::string all;
  std::string piece(1 << 20, '\0');
  ZSTD_inBuffer in{compressed.data(), compressed.size(), 0};
  std::size_t due = 0;
  while (in.pos < in.size) {
    ZSTD_outBuffer out{piece.data(), piece.size(), 0};
    due = ZSTD_decompressStream(context.get(), &out, &in);
    if (ZSTD_isError(due)) {
      ADD_FAILURE() << ZSTD_getErrorName(due);
      return {};
    }
    all.append(piece, 0, out.pos);
  }
  EXPECT_EQ(due, 0u) << "the last frame is not complete";
  return all;
}

struct table_entry {
  std::uint32_t compressed;
  std::uint32_t content;
};

inline std::uint32_t number_at(std::string_view text, std::size_t offset) {
  return boost::endian::load_little_u32(
      reinterpret_cast<const unsigned char*>(text.substr(offset, 4).data()));
}

inline bool has_table(std::string_view stream) {
  return stream.ends_with("\xb1\xea\x92\x8f");
}

/// What the seek table at the end says; it must account for every byte of the stream.
inline std::vector<table_entry> table_of(std::string_view stream) {
  std::vector<table_entry> entries;
  if (stream.size() < 17 || !has_table(stream)) {
    ADD_FAILURE() << "there is no seek table";
    return entries;
  }
  const auto count = number_at(stream, stream.size() - 9);
  EXPECT_EQ(stream[stream.size() - 5], '\0') << "the bit field";
  const auto size = 17 + 8 * std::size_t{count};
  if (size > stream.size()) {
    ADD_FAILURE() << "the seek table says that it has " << count << " entries";
    return entries;
  }
  const auto table = stream.substr(stream.size() - size);
  EXPECT_EQ(number_at(table, 0), 0x184D2A5Eu);
  EXPECT_EQ(number_at(table, 4), size - 8);
  std::size_t sum = size;
  for (std::size_t i = 0; i < count; ++i) {
    entries.push_back({number_at(table, 8 + 8 * i), number_at(table, 12 + 8 * i)});
    sum += entries.back().compressed;
  }
  EXPECT_EQ(sum, stream.size());
  return entries;
}

/// Whether each frame is found by the table, has its size and a checksum in it, and all of them
/// together are `expected`.
inline void expect_seekable(std::string_view stream, std::string_view expected) {
  std::size_t at = 0;
  std::size_t offset = 0;
  for (const auto& [compressed, content] : table_of(stream)) {
    const auto frame = stream.substr(at, compressed);
    EXPECT_EQ(ZSTD_getFrameContentSize(frame.data(), frame.size()), content);
    constexpr char checksum_flag = 4;
    EXPECT_NE(frame[4] & checksum_flag, 0);
    ASSERT_TRUE(decompress(frame) == expected.substr(offset, content)) << "at " << offset;
    at += compressed;
    offset += content;
  }
  EXPECT_EQ(offset, expected.size());
  EXPECT_TRUE(decompress(stream) == expected);
}

struct zstd_fixture : stage_fixture {
  explicit zstd_fixture(stage::zstd_sink::settings s = {}) {
    made = std::make_unique<stage::zstd_sink>(l.executor(), make_inner(), s, log);
    run(open());
    EXPECT_FALSE(failed) << failed.why;
  }

  /// Commits: what the sink has then must be `expected`, compressed.
  void expect_committed(std::string_view expected) {
    run(commit(expected.size()));
    ASSERT_FALSE(failed) << failed.why;
    EXPECT_EQ(tape.streams.back().commits, 1);
    EXPECT_EQ(made->compressed(), tape.data().size());
    EXPECT_EQ(made->busy(), sink::sink::activity::none);
    expect_seekable(tape.data(), expected);
  }
};

}  // namespace nbdstream::test
#endif

// SPDX-License-Identifier: BSD-3-Clause
#include "stage/zstd_sink.hpp"

#include "io/worker.hpp"
#include "zstd_fixture.hpp"

#include <random>

namespace nbdstream::test {
namespace {

using activity = sink::sink::activity;

/// What cannot be compressed.
std::string noise(std::size_t length, std::uint32_t seed = 1) {
  std::mt19937_64 random(seed);
  std::vector<std::uint64_t> numbers(length / sizeof(std::uint64_t) + 1);
  for (auto& n : numbers) n = random();
  return {reinterpret_cast<const char*>(numbers.data()), length};
}

std::string zeroes(std::size_t length) {
  return std::string(length, '\0');
}

TEST(ZstdSink, CompressesAllThatComesHoweverItComes) {
  zstd_fixture f;
  const auto data = numbered(9'000'001);
  const auto file = zstd_fixture::file_with(data);
  f.run(f.write("a few bytes"));
  f.run(f.write_two("two ", "pieces"));
  f.run(f.write_zeroes(11'000'000));
  f.run(f.write_file(file.get(), 7, data.size() - 7));
  f.run(f.write("and the end"));
  f.expect_committed("a few bytestwo pieces" + zeroes(11'000'000) + data.substr(7) + "and the end");
}

TEST(ZstdSink, MakesFramesOf4MiBOfWhichOnlyTheLastIsShort) {
  zstd_fixture f;
  f.run(f.write(noise(2 * frame_size + 1)));
  f.run(f.commit(2 * frame_size + 1));
  const auto table = table_of(f.tape.data());
  ASSERT_EQ(table.size(), 3u);
  EXPECT_EQ(table[0].content, frame_size);
  EXPECT_EQ(table[1].content, frame_size);
  EXPECT_EQ(table[2].content, 1u);
}

TEST(ZstdSink, HasATableAndNothingElseForAnEmptyStream) {
  zstd_fixture f;
  f.expect_committed("");
  EXPECT_EQ(f.tape.data().size(), 17u);
}

TEST(ZstdSink, EndsAtAFrameWhereTheStreamDoes) {
  zstd_fixture f;
  f.run(f.write(noise(frame_size)));
  f.expect_committed(noise(frame_size));
}

TEST(ZstdSink, HasAShortFrameOfZeroesAtTheEnd) {
  zstd_fixture f;
  f.run(f.write_zeroes(2 * frame_size + 5));
  f.expect_committed(zeroes(2 * frame_size + 5));
}

TEST(ZstdSink, WritesTheSameForZeroesThatCameAsData) {
  zstd_fixture as_data;
  as_data.run(as_data.write(zeroes(3 * frame_size)));
  as_data.expect_committed(zeroes(3 * frame_size));
  zstd_fixture as_zeroes;
  as_zeroes.run(as_zeroes.write_zeroes(3 * frame_size));
  as_zeroes.expect_committed(zeroes(3 * frame_size));
  EXPECT_TRUE(as_data.tape.data() == as_zeroes.tape.data());
}

TEST(ZstdSink, WritesAHoleOf64GiBInFramesOfAFewBytes) {
  zstd_fixture f;
  f.run(f.write("x"));
  f.run(f.write_zeroes(std::uint64_t{64} << 30));
  f.run(f.write("y"));
  f.run(f.commit((std::uint64_t{64} << 30) + 2));
  ASSERT_FALSE(f.failed) << f.failed.why;
  const auto stream = f.tape.data();
  EXPECT_LT(stream.size(), 4u << 20);
  const auto table = table_of(stream);
  ASSERT_EQ(table.size(), (64u << 8) + 1);
  std::uint64_t content = 0;
  for (const auto& e : table) content += e.content;
  EXPECT_EQ(content, (std::uint64_t{64} << 30) + 2);
  const auto middle = stream.substr(table[0].compressed, table[1].compressed);
  EXPECT_TRUE(decompress(middle) == zeroes(frame_size));
}

TEST(ZstdSink, RefusesMoreFramesThanReadersTake) {
  zstd_fixture f;
  const std::uint64_t most = std::uint64_t{512} << 40;
  f.run(f.write_zeroes(most + frame_size));
  EXPECT_EQ(f.failed.code.value(), EFBIG);
  EXPECT_EQ(f.failed.why, "a seekable zstd stream has at most 512 TiB");
  f.run(f.abort());
}

TEST(ZstdSink, TellsTheNextSinkHowLongItMayBecomeAtMost) {
  zstd_fixture f;
  f.run(f.abort());
  const auto length = 3 * frame_size + 12345;
  sink::stream_info exact;
  exact.size = length;
  exact.size_is_exact = true;
  f.run(f.open(exact));
  EXPECT_FALSE(f.tape.streams.back().info.size_is_exact);
  const auto most = *f.tape.streams.back().info.size;
  EXPECT_EQ(most, length + length / 200 + 65536);
  f.run(f.write(noise(length)));
  f.expect_committed(noise(length));
  EXPECT_GT(f.tape.data().size(), length);
  EXPECT_LE(f.tape.data().size(), most);
}

TEST(ZstdSink, OfRandomStreamsIsWhatWentInWithEachLevelAndNumberOfThreads) {
  std::mt19937 random(20261127);
  const auto below = [&](std::uint32_t bound) { return random() % bound; };
  const auto data = noise(700'000) + numbered(5'000'000);
  const auto file = zstd_fixture::file_with(data);
  for (int round = 0; round < 24; ++round) {
    const int levels[] = {-7, 1, 3, 6};
    const auto level = levels[round % 4];
    const auto threads = 1 + static_cast<unsigned>(round) / 4 % 4;
    SCOPED_TRACE(fmt::format("level {}, {} threads, round {}", level, threads, round));
    zstd_fixture f({.level = level, .threads = threads});
    std::string expected;
    for (auto steps = 1 + below(12); steps > 0; --steps) {
      const auto size = 1 + below(below(3) == 0 ? 6'000'000 : 90'000);
      const auto from = below(static_cast<std::uint32_t>(data.size()) - size % 5'000'000);
      const auto piece = data.substr(from, size);
      switch (below(3)) {
        case 0:
          f.run(f.write_zeroes(size * std::uint64_t{2}));
          expected += zeroes(2 * std::size_t{size});
          break;
        case 1:
          f.run(f.write_file(file.get(), from, piece.size()));
          expected += piece;
          break;
        default: f.run(f.write(piece)); expected += piece;
      }
      ASSERT_FALSE(f.failed) << f.failed.why;
    }
    f.expect_committed(expected);
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(ZstdSinkFlush, HandsOnTheFramesThatAreFullFirst) {
  zstd_fixture f;
  f.run(f.write(noise(2 * frame_size + 100)));
  f.run(f.flush());
  EXPECT_FALSE(f.failed);
  EXPECT_EQ(f.tape.calls.back(), "flush");
  EXPECT_TRUE(decompress(f.tape.data()) == noise(2 * frame_size));
  f.expect_committed(noise(2 * frame_size + 100));
}

TEST(ZstdSinkMemory, IsBoundWhileTheSinkTakesNothing) {
  zstd_fixture f({.threads = 2});
  f.tape.hold = "write";
  const auto data = noise(20 * frame_size);
  std::size_t taken = 0;
  const auto feed = [](zstd_fixture& to, std::string_view text,
                       std::size_t& sum) -> awaitable<void> {
    for (; !to.failed && !text.empty(); text.remove_prefix(frame_size / 4)) {
      co_await to.write(text.substr(0, frame_size / 4));
      sum += frame_size / 4;
    }
  };
  f.l.spawn(feed(f, data, taken));
  // Two buffers for each thread and two more, one of which is full and has not been taken yet.
  ASSERT_TRUE(f.l.until([&] { return taken >= 6 * frame_size - frame_size / 4; }));
  f.l.poll();
  EXPECT_LT(taken, 6 * frame_size);
  f.inner->release();
  f.l.finish();
  EXPECT_EQ(taken, data.size());
  f.expect_committed(data);
}

TEST(ZstdSinkAbort, LeavesNoSeekTable) {
  zstd_fixture f;
  f.run(f.write(noise(3 * frame_size)));
  f.run(f.abort());
  EXPECT_EQ(f.tape.streams.back().aborts, 1);
  EXPECT_EQ(f.tape.streams.back().commits, 0);
  EXPECT_FALSE(has_table(f.tape.data()));
}

TEST(ZstdSinkAbort, EndsAWriteThatWaitsForTheSink) {
  zstd_fixture f({.threads = 1});
  f.tape.hold = "write";
  const auto much = noise(12 * frame_size);
  f.l.spawn(f.write(much));
  ASSERT_TRUE(f.l.until([&] { return f.tape.waiting; }));
  EXPECT_EQ(f.made->busy(), activity::working);
  f.l.spawn(f.abort());
  f.l.finish();
  EXPECT_EQ(f.failed.code, asio::error::operation_aborted);
  EXPECT_EQ(f.tape.streams.back().aborts, 1);
  EXPECT_EQ(f.made->busy(), activity::none);
}

TEST(ZstdSinkAbort, LeavesNothingOfTheStreamInTheNextOne) {
  zstd_fixture f;
  f.run(f.write(noise(frame_size + 5)));
  f.run(f.write_zeroes(3 * frame_size));
  f.run(f.abort());
  f.run(f.open());
  EXPECT_EQ(f.made->compressed(), 0u);
  f.run(f.write("of the second stream"));
  f.expect_committed("of the second stream");
}

TEST(ZstdSinkAbort, DoesNotWaitForAFrameThatTakesSeconds) {
  zstd_fixture f({.level = 19, .threads = 1});
  std::string words;
  std::mt19937 random(3);
  while (words.size() < frame_size) words += fmt::format("{} words, ", random() % 5000);
  f.run(f.write(std::string_view(words).substr(0, frame_size)));
  const auto begin = io::clock::now();
  f.run(f.abort());
  EXPECT_LT(io::clock::now() - begin, std::chrono::milliseconds(700));
  EXPECT_TRUE(io::worker::left_behind());
}

TEST(ZstdSinkFailure, OfTheSinkIsTheFailureOfALaterWrite) {
  zstd_fixture f({.threads = 1});
  f.tape.fail_at = 1;
  f.tape.fail_with = ENOSPC;
  const auto much = noise(12 * frame_size);
  f.run(f.write(much));
  EXPECT_EQ(f.failed.code.value(), ENOSPC);
  EXPECT_EQ(f.failed.why, "told to fail");
  f.run(f.abort());
  EXPECT_EQ(f.tape.streams.back().aborts, 1);
}

TEST(ZstdSinkFailure, OfTheLastFrameIsTheFailureOfTheCommit) {
  zstd_fixture f;
  f.run(f.write("a short frame"));
  f.tape.fail_at = 1;
  f.run(f.commit(13));
  EXPECT_EQ(f.failed.code.value(), EIO);
  f.run(f.abort());
  EXPECT_EQ(f.tape.streams.back().commits, 0);
  EXPECT_EQ(f.tape.streams.back().aborts, 1);
  EXPECT_FALSE(has_table(f.tape.data()));
}

TEST(ZstdSinkFailure, OfTheCommitIsFollowedByAnAbort) {
  zstd_fixture f;
  f.run(f.write("x"));
  f.tape.fail_at = 3;  // calls: open, the frame, the table, the commit
  f.run(f.commit(1));
  EXPECT_TRUE(f.failed);
  f.run(f.abort());
  EXPECT_EQ(f.tape.streams.back().aborts, 1);
}

TEST(ZstdSinkFailure, OfAFileThatCannotBeReadIsThatOfTheWrite) {
  zstd_fixture f;
  const auto file = zstd_fixture::file_with("short");
  f.run(f.write_file(file.get(), 0, 6));
  EXPECT_EQ(f.failed.code.value(), EIO);
  f.run(f.abort());
}

TEST(ZstdSinkFailure, ThatTheSinkFindsOutBetweenTwoCallsIsPassedOn) {
  zstd_fixture f;
  io::condition told(f.l.executor());
  f.made->announce_trouble(told);
  f.inner->find_out("the reader went away");
  ASSERT_NE(f.made->trouble(), nullptr);
  EXPECT_EQ(f.made->trouble()->why, "the reader went away");
  f.run(f.abort());
}

TEST(ZstdSinkStreams, FollowOneAnother) {
  zstd_fixture f;
  for (std::uint32_t i = 0; i < 3; ++i) {
    if (i > 0) f.run(f.open());
    const auto text = noise(frame_size + std::size_t{1000} * i, i);
    f.run(f.write(text));
    f.expect_committed(text);
  }
}

}  // namespace
}  // namespace nbdstream::test

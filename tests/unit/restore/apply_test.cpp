// SPDX-License-Identifier: BSD-3-Clause
//
// apply and what it makes of a disk, in one process: random diffs beside a plain array, and diffs
// that are cut at every byte.
#include "restore/apply.hpp"

#include "io/unique_fd.hpp"
#include "restore/failure.hpp"
#include "support/diff_stream.hpp"
#include "support/files.hpp"
#include "support/temp_directory.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <random>

namespace nbdstream::restore {
namespace {

using test::diff_stream;
using test::holds;

class Apply : public ::testing::Test {
 protected:
  [[nodiscard]] std::filesystem::path path(const std::string& name) const {
    return directory_ / name;
  }
  [[nodiscard]] std::string disk() const { return path("disk.raw"); }

  /// A file with these bytes, as an argument.
  std::string file(const std::string& name, const std::string& bytes) const {
    test::write_file(path(name), bytes);
    return path(name);
  }

  /// What apply says, or nothing.
  std::string apply_to_disk(apply_options options) const {
    options.target = disk();
    try {
      apply(options, signals_);
    } catch (const failure& e) {
      return e.what();
    }
    return "";
  }

  /// The same with `bytes`, few enough for a pipe, coming through one.
  std::string apply_from_pipe(const std::string& bytes, apply_options options = {}) const {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    const io::unique_fd out(ends[0]);
    io::unique_fd in(ends[1]);
    EXPECT_EQ(::write(in.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    in.reset();
    options.diffs = {"/dev/fd/" + std::to_string(out.get())};
    return apply_to_disk(options);
  }

  [[nodiscard]] std::size_t files() const {
    const std::filesystem::directory_iterator all(directory_.path());
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
  }

  test::temp_directory directory_;
  stop_signals signals_;
};

TEST_F(Apply, MakesOfRandomDiffsWhatAnArrayWouldBe) {
  const char* const given = std::getenv("NBDSTREAM_SEED");
  const auto first = given != nullptr ? static_cast<unsigned>(std::atoi(given)) : 1U;
  for (unsigned seed = first; seed < first + 25; ++seed) {
    SCOPED_TRACE("NBDSTREAM_SEED=" + std::to_string(seed));
    std::mt19937 random(seed);
    const std::uint64_t size = 1 + random() % 40000;
    const auto full = test::random_diff(random, "", size, {}, "a", 12);
    const auto next = test::random_diff(random, full.disk(), size, "a", "b", 12);
    const auto last = test::random_diff(random, next.disk(), size, "b", "c", 12);
    apply_options options;
    options.verify = seed % 2 == 0;
    options.diffs = {file("chain", full.whole() + next.whole())};
    EXPECT_EQ(apply_to_disk(options), "");
    EXPECT_TRUE(holds(disk(), next.disk()));
    options.diffs = {file("last", last.whole())};
    EXPECT_EQ(apply_to_disk(options), "");
    EXPECT_TRUE(holds(disk(), last.disk()));
    // A full one over whatever is there.
    options.diffs = {file("full", full.whole())};
    EXPECT_EQ(apply_to_disk(options), "");
    ASSERT_TRUE(holds(disk(), full.disk()));
    std::filesystem::remove(disk());
  }
}

TEST_F(Apply, OfADiffThatIsCutAtAnyByteLeavesNoFile) {
  diff_stream full({std::nullopt, "a", 9000});
  full.data(10, std::string(150, 'x')).zeroes(100, 20).data(8990, "0123456789");
  diff_stream next({"a", "b", 9000});
  next.data(0, "first");
  const std::string whole = full.whole() + next.whole();
  for (std::size_t length = 0; length < whole.size(); ++length) {
    // That is one whole diff.
    if (length == full.whole().size()) continue;
    SCOPED_TRACE(length);
    const auto part = whole.substr(0, length);
    const std::string why = "byte " + std::to_string(length) + ": it ended before its end record";
    EXPECT_TRUE(apply_from_pipe(part).ends_with(why));
    ASSERT_EQ(files(), 0u);
    apply_options options;
    options.diffs = {file("part", part)};
    EXPECT_TRUE(apply_to_disk(options).ends_with(why));
    ASSERT_EQ(files(), 1u);
    std::filesystem::remove(path("part"));
  }
  EXPECT_EQ(apply_from_pipe(whole), "");
  EXPECT_TRUE(std::filesystem::exists(disk()));
}

TEST_F(Apply, OfADiffThatIsCutAtAnyByteDoesNotTouchAFile) {
  const auto full = diff_stream({std::nullopt, "a", 4000}).data(0, "old");
  EXPECT_EQ(apply_from_pipe(full.whole()), "");
  const auto whole = diff_stream({"a", "b", 4000}).data(0, "new").zeroes(1, 1).whole();
  for (std::size_t length = 0; length < whole.size(); ++length) {
    apply_options options;
    options.diffs = {file("part", whole.substr(0, length))};
    EXPECT_NE(apply_to_disk(options), "");
    ASSERT_TRUE(holds(disk(), full.disk())) << length;
  }
  apply_options options;
  options.diffs = {file("part", whole)};
  EXPECT_EQ(apply_to_disk(options), "") << "nothing was marked as interrupted";
}

/// In place there is no way back, but the next apply knows.
TEST_F(Apply, InPlaceOfADiffThatIsCutAtAnyByteIsRecognised) {
  const auto whole = diff_stream({"a", "b", 4000}).data(0, "new").zeroes(1, 1).whole();
  const auto again = diff_stream({"b", "c", 4000}).whole();
  apply_options in_place;
  in_place.in_place = true;
  for (std::size_t length = 0; length < whole.size(); ++length) {
    SCOPED_TRACE(length);
    std::filesystem::remove(disk());
    EXPECT_EQ(apply_from_pipe(diff_stream({std::nullopt, "a", 4000}).whole()), "");
    EXPECT_NE(apply_from_pipe(whole.substr(0, length), in_place), "");
    // Neither what it was to be, nor, once it was begun, what it was.
    EXPECT_NE(apply_from_pipe(again, in_place), "");
    // The header is complete with the byte behind it.
    const bool begun = length > 33;
    const auto retried = apply_from_pipe(whole, in_place);
    EXPECT_EQ(retried.find("an apply was interrupted here") != retried.npos, begun) << retried;
    if (!begun) continue;
    auto said = in_place;
    said.from = "a";
    EXPECT_EQ(apply_from_pipe(whole, said), "");
    EXPECT_EQ(apply_from_pipe(again, in_place), "");
  }
}

TEST_F(Apply, RefusesHostileNumbersAtOnce) {
  const std::uint64_t huge = std::uint64_t{1} << 62;
  for (const auto& hostile : {
           diff_stream({{}, "a", 0}).raw_record('w', 0, std::uint64_t{1} << 60).whole(),
           diff_stream({{}, "a", 0}).raw_record('z', huge, ~std::uint64_t{0}).whole(),
       }) {
    EXPECT_NE(apply_from_pipe(hostile), "");
    EXPECT_EQ(files(), 0u);
  }
}

TEST_F(Apply, RefusesADiskThatIsLargerThanAnyFile) {
  auto bytes = diff_stream({{}, "a", 0}).whole();
  bytes[bytes.size() - 2] = '\x7f';  // of the size, which is the last number
  EXPECT_TRUE(apply_from_pipe(bytes).find("bytes cannot be made: ") != std::string::npos);
  EXPECT_EQ(files(), 0u);
}

TEST_F(Apply, TakesDataThatAreSaidToBeLongerThanTheInputAsBrokenOff) {
  auto bytes = diff_stream({{}, "a", 0}).unfinished();
  bytes[bytes.size() - 4] = '\x01';  // 2^32 bytes, a hole
  bytes = bytes +
          diff_stream({{}, "a", 0}).raw_record('w', 0, std::uint64_t{1} << 30).whole().substr(27);
  EXPECT_TRUE(apply_from_pipe(bytes).ends_with("it ended before its end record"));
  EXPECT_EQ(files(), 0u);
}

}  // namespace
}  // namespace nbdstream::restore

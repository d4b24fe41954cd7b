// SPDX-License-Identifier: BSD-3-Clause
#include "diff/parser.hpp"
#include "support/diff_stream.hpp"

#include <gtest/gtest.h>

#include <span>

namespace nbdstream::diff {
namespace {

using test::diff_stream;

/// What a parser says of some bytes, in words: "header(-,t,8) data(0,4)=abcd zeroes(4,2) end".
struct told {
  std::string words;
  std::optional<fault> problem;  ///< with the end of the input
};

std::string name_of(const std::optional<std::string>& name) {
  return name ? *name : "-";
}

/// `piece`: so many bytes are fed at a time.
told parse(std::string_view bytes, std::size_t piece = 1 << 20) {
  told out;
  parser p;
  std::span<const std::byte> in;
  const auto say = [&](const std::string& word) {
    out.words += (out.words.empty() ? "" : " ") + word;
  };
  const auto numbers = [&] {
    return "(" + std::to_string(p.record().offset) + "," + std::to_string(p.record().length) + ")";
  };
  bool inside_data = false;
  for (;;) {
    while (p.payload_left() > 0 && !in.empty()) {
      const auto count = std::min<std::uint64_t>(p.payload_left(), in.size());
      out.words.append(reinterpret_cast<const char*>(in.data()), count);
      in = in.subspan(count);
      p.take_payload(count);
    }
    if (p.payload_left() == 0) {
      inside_data = false;
      switch (p.next(in)) {
        case parser::event::header:
          say("header(" + name_of(p.head().from) + "," + name_of(p.head().to) + "," +
              std::to_string(p.head().size) + ")");
          continue;
        case parser::event::data:
          say("data" + numbers() + "=");
          inside_data = true;
          continue;
        case parser::event::zeroes: say("zeroes" + numbers()); continue;
        case parser::event::end: say("end"); continue;
        case parser::event::broken: out.problem = p.problem(); return out;
        case parser::event::more: break;
      }
    }
    if (bytes.empty()) break;
    const auto next = bytes.substr(0, piece);
    bytes.remove_prefix(next.size());
    in = std::as_bytes(std::span(next));
  }
  EXPECT_FALSE(inside_data && p.payload_left() == 0);
  out.problem = p.close();
  return out;
}

std::string wrong_with(std::string_view bytes) {
  const auto out = parse(bytes);
  if (!out.problem) return "nothing";
  EXPECT_EQ(out.problem->what, fault::kind::malformed) << out.problem->text;
  return std::to_string(out.problem->at) + ": " + out.problem->text;
}

const header small{std::nullopt, "t", 8};
/// Of `small`, as bytes.
constexpr std::uint64_t header_length = 12 + 6 + 9;

TEST(DiffParser, ReadsWhatEncodeMakes) {
  diff_stream full({std::nullopt, "snap", 16});
  full.data(8, "abcd").zeroes(0, 3).data(9, "x");
  EXPECT_EQ(parse(full.whole()).words,
            "header(-,snap,16) data(8,4)=abcd zeroes(0,3) data(9,1)=x end");
  EXPECT_FALSE(parse(full.whole()).problem);
  EXPECT_EQ(parse(diff_stream({"a", std::nullopt, 0}).whole()).words, "header(a,-,0) end");
  EXPECT_EQ(parse(diff_stream({"", "", 1}).whole()).words, "header(,,1) end");
}

TEST(DiffParser, TakesPiecesOfAnyLength) {
  diff_stream full({"before", "after", 64});
  full.data(1, "some data").zeroes(5, 5).data(63, "e").data(0, "");
  const std::string chain = full.whole() + full.whole();
  const auto expected = parse(chain);
  EXPECT_FALSE(expected.problem);
  for (std::size_t piece = 1; piece < 40; ++piece) {
    const auto got = parse(chain, piece);
    EXPECT_EQ(got.words, expected.words) << piece;
    EXPECT_FALSE(got.problem) << piece;
  }
}

TEST(DiffParser, TakesMetadataInAnyOrder) {
  const std::string words("rbd diff v1\ns\x08\0\0\0\0\0\0\0t\1\0\0\0Tf\1\0\0\0Fe", 34);
  EXPECT_EQ(parse(words).words, "header(F,T,8) end");
}

TEST(DiffParser, TakesRecordsWithoutLength) {
  EXPECT_EQ(parse(diff_stream(small).data(8, "").zeroes(8, 0).data(0, "").whole()).words,
            "header(-,t,8) data(8,0)= zeroes(8,0) data(0,0)= end");
}

TEST(DiffParser, CutAnywhereEndsBeforeItsEndRecord) {
  diff_stream made({"f", "t", 8});
  made.data(0, "abcd").zeroes(4, 4);
  const auto whole = made.whole();
  for (std::size_t length = 0; length < whole.size(); ++length) {
    const auto out = parse(std::string_view(whole).substr(0, length));
    ASSERT_TRUE(out.problem) << length;
    EXPECT_EQ(out.problem->what, fault::kind::truncated);
    EXPECT_EQ(out.problem->at, length);
    EXPECT_EQ(out.problem->text, "it ended before its end record");
  }
  EXPECT_FALSE(parse(whole).problem);
}

TEST(DiffParser, CutInTheSecondOfAChainEndsBeforeItsEndRecord) {
  const auto one = diff_stream(small).whole();
  for (std::size_t length = one.size() + 1; length < 2 * one.size(); ++length) {
    const auto out = parse((one + one).substr(0, length));
    ASSERT_TRUE(out.problem) << length;
    EXPECT_EQ(out.problem->what, fault::kind::truncated);
    EXPECT_EQ(out.problem->at, length);
  }
}

TEST(DiffParser, RefusesWhatIsNoDiff) {
  EXPECT_EQ(wrong_with("QFI\xfb"), "0: this is not an rbd diff v1");
  EXPECT_EQ(wrong_with("rbd image v2"), "0: this is not an rbd diff v1");
  EXPECT_EQ(wrong_with("rbd diff v2\n"), "0: this rbd diff has another version than v1");
  EXPECT_EQ(wrong_with("\x28\xb5\x2f\xfd"),
            "0: this is not an rbd diff v1; if it is compressed, decompress it");
}

TEST(DiffParser, RefusesWhatFollowsTheEnd) {
  const auto one = diff_stream(small).whole();
  EXPECT_EQ(wrong_with(one + "\n"),
            std::to_string(one.size()) +
                ": after the end of a diff there is something that is not a diff");
  EXPECT_EQ(wrong_with(one + "e"),
            std::to_string(one.size()) +
                ": after the end of a diff there is something that is not a diff");
}

TEST(DiffParser, RefusesAnUnknownRecord) {
  const auto at = std::to_string(header_length);
  EXPECT_EQ(wrong_with(diff_stream(small).raw("q").whole()), at + ": unknown record \"q\"");
  EXPECT_EQ(wrong_with(diff_stream(small).raw("\n").whole()), at + ": unknown record 0x0a");
}

TEST(DiffParser, RefusesMetadataBehindDataOrTwice) {
  const auto metadata = [](char tag) { return std::string(1, tag) + std::string("\1\0\0\0n", 5); };
  diff_stream with_data(small);
  with_data.zeroes(0, 1);
  for (const char tag : {'f', 't', 's'}) {
    EXPECT_EQ(wrong_with(diff_stream(with_data).raw(metadata(tag)).whole()),
              "44: the record \"" + std::string(1, tag) + "\" comes after data");
  }
  EXPECT_EQ(wrong_with(diff_stream(small).raw(metadata('t')).whole()),
            "27: the record \"t\" comes twice");
  EXPECT_EQ(wrong_with(diff_stream({"f", "t", 8}).raw(metadata('f')).whole()),
            "33: the record \"f\" comes twice");
  EXPECT_EQ(wrong_with(diff_stream(small).raw("s").whole()), "27: the record \"s\" comes twice");
}

TEST(DiffParser, RefusesADiffWithoutASize) {
  EXPECT_EQ(wrong_with("rbd diff v1\ne"), "12: the disk's size is missing before the first record");
  EXPECT_EQ(wrong_with(std::string("rbd diff v1\nt\0\0\0\0z", 18)),
            "17: the disk's size is missing before the first record");
}

TEST(DiffParser, RefusesRecordsThatEndBehindTheDisk) {
  const auto expect = [](char tag, std::uint64_t offset, std::uint64_t length) {
    const auto text = wrong_with(diff_stream(small).raw_record(tag, offset, length).whole());
    EXPECT_EQ(text, "27: the record \"" + std::string(1, tag) + "\" of " + std::to_string(length) +
                        " bytes at offset " + std::to_string(offset) +
                        " ends behind the disk, which has 8");
  };
  const std::uint64_t all_ones = ~std::uint64_t{0};
  for (const char tag : {'w', 'z'}) {
    expect(tag, 0, 9);
    expect(tag, 8, 1);
    expect(tag, 9, 0);
    expect(tag, 4, all_ones);  // the sum wraps around
    expect(tag, all_ones, 1);
    expect(tag, all_ones, all_ones);
    expect(tag, 0, std::uint64_t{1} << 60);
  }
}

TEST(DiffParser, RefusesADiskThatIsTooLarge) {
  EXPECT_EQ(wrong_with(diff_stream({{}, {}, 0}).unfinished().replace(20, 1, "\x80") + "e"),
            "12: the disk's size is 9223372036854775808 bytes; 9223372036854775807 is the most");
}

TEST(DiffParser, TakesAndRefusesNamesByTheirLengths) {
  const std::string longest(longest_name, 'n');
  EXPECT_EQ(parse(diff_stream({longest, longest, 8}).whole()).words,
            "header(" + longest + "," + longest + ",8) end");
  EXPECT_EQ(wrong_with(diff_stream({longest + "n", "t", 8}).whole()),
            "12: the name in the record \"f\" has 4097 bytes; 4096 is the most");
  EXPECT_EQ(wrong_with(std::string("rbd diff v1\nt\xff\xff\xff\xff", 17)),
            "12: the name in the record \"t\" has 4294967295 bytes; 4096 is the most");
  EXPECT_EQ(wrong_with(diff_stream({std::string("a\0b", 3), "t", 8}).whole()),
            "12: the name in the record \"f\" has a zero byte");
}

TEST(DiffParser, StaysBroken) {
  parser p;
  const std::string bytes = "nonsense";
  auto in = std::as_bytes(std::span(bytes));
  EXPECT_EQ(p.next(in), parser::event::broken);
  const auto whole = diff_stream(small).whole();
  auto more = std::as_bytes(std::span(whole));
  EXPECT_EQ(p.next(more), parser::event::broken);
  ASSERT_TRUE(p.close());
  EXPECT_EQ(p.close()->what, fault::kind::malformed);
}

}  // namespace
}  // namespace nbdstream::diff

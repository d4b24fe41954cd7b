// SPDX-License-Identifier: BSD-3-Clause
#include "restore/chain.hpp"

#include "restore/failure.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace nbdstream::restore {
namespace {

using kind = snapshot_state::kind;

template <class Call>
std::string refusal(const Call& call) {
  try {
    call();
  } catch (const failure& e) {
    return e.what();
  }
  return "";
}

std::string refusal_of(const std::vector<diff::header>& headers) {
  return refusal([&] {
    chain c;
    for (const auto& h : headers) c.add(h, "in");
  });
}

std::string refusal_at(const snapshot_state& held, std::optional<std::string> said = {}) {
  return refusal([&] { check_snapshot("disk", {"a", "b", 8}, held, said); });
}

TEST(Chain, KnowsItsEnds) {
  chain c;
  EXPECT_TRUE(c.empty());
  c.add({std::nullopt, "a", 8}, "in");
  c.add({"a", "b", 9}, "in");
  EXPECT_TRUE(c.is_full());
  EXPECT_EQ(c.to(), "b");
  EXPECT_EQ(c.size(), 9u);
  EXPECT_EQ(c.first().size, 8u);
}

TEST(Chain, GoesFromOneSnapshotToTheNext) {
  EXPECT_EQ(refusal_of({{{}, "a", 8}, {"a", "b", 8}, {"b", {}, 8}}), "");
  EXPECT_EQ(refusal_of({{{}, "a", 8}, {"x", "b", 8}}),
            "in: the diff begins from \"x\", but the one before leads to \"a\"");
  EXPECT_EQ(refusal_of({{{}, {}, 8}, {"x", "b", 8}}),
            "in: the diff begins from \"x\", but the one before does not say to which snapshot it "
            "leads");
}

TEST(Chain, HasAFullDiffOnlyAtItsBeginning) {
  EXPECT_EQ(refusal_of({{"a", "b", 8}, {{}, "c", 8}}),
            "in: a full diff follows another diff; only the first may be full");
}

TEST(Chain, NeverMakesTheDiskSmaller) {
  EXPECT_EQ(refusal_of({{{}, "a", 8}, {"a", "b", 7}}),
            "in: the diff is of a disk of 7 bytes, the one before of 8; a disk cannot be made "
            "smaller");
}

TEST(Snapshot, OfAFullDiffDoesNotMatter) {
  for (const auto what : {kind::never_kept, kind::unknown, kind::known, kind::interrupted}) {
    EXPECT_EQ(refusal([&] { check_snapshot("disk", {{}, "b", 8}, {what, "x"}, {}); }), "");
  }
}

TEST(Snapshot, OfAnIncrementalMustBeWhatTheTargetHolds) {
  EXPECT_EQ(refusal_at({kind::known, "a"}), "");
  EXPECT_EQ(refusal_at({kind::known, "b"}),
            "disk: the diff begins from \"a\", but the last apply led to \"b\"");
  EXPECT_EQ(refusal_at({kind::unknown}),
            "disk: the diff begins from \"a\", but no apply has left a name here; if it is that, "
            "say --from \"a\"");
  EXPECT_EQ(refusal_at({kind::never_kept}),
            "disk: the diff begins from \"a\", and nothing tells what is there; if it is that, say "
            "--from \"a\"");
}

TEST(Snapshot, OfAnInterruptedApplyIsNone) {
  EXPECT_EQ(refusal_at({kind::interrupted, "a"}),
            "disk: an apply was interrupted here; apply the same diff again with --from \"a\", or "
            "a full one");
  EXPECT_EQ(refusal_at({kind::interrupted}),
            "disk: an apply was interrupted here; apply a full diff, as that one was");
}

TEST(Snapshot, IsWhatTheUserSays) {
  for (const auto what : {kind::never_kept, kind::unknown, kind::known, kind::interrupted}) {
    EXPECT_EQ(refusal_at({what, "x"}, "a"), "");
    EXPECT_EQ(refusal_at({what, "a"}, "x"),
              "disk: the diff begins from \"a\", but --from says \"x\"");
  }
}

TEST(Size, MustBeTheDiffs) {
  EXPECT_EQ(refusal([] { check_size("disk", 8, 8, growth::impossible); }), "");
  EXPECT_EQ(refusal([] { check_size("disk", 8, 7, growth::allowed); }),
            "disk has 8 bytes, but the diff is of a disk of 7");
  EXPECT_EQ(refusal([] { check_size("disk", 8, 9, growth::impossible); }),
            "disk has 8 bytes, but the diff is of a disk of 9");
  EXPECT_EQ(refusal([] { check_size("disk", 8, 9, growth::not_allowed); }),
            "disk has 8 bytes, but the diff is of a disk of 9; --resize makes it larger");
  EXPECT_EQ(refusal([] { check_size("disk", 8, 9, growth::allowed); }), "");
}

}  // namespace
}  // namespace nbdstream::restore

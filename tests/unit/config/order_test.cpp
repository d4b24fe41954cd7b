// SPDX-License-Identifier: BSD-3-Clause
//
// How writes out of order are taken: what is in effect, what is refused, what is warned of.
#include "config/validate.hpp"
#include "unit/config/config_support.hpp"

namespace nbdstream::config {
namespace {

constexpr const char* missing = "/nonexistent/nbdstream";

order_mode effective(const std::vector<std::string>& words) {
  configuration config = parse(words).config;
  static_cast<void>(complete_and_validate(config));
  return effective_order(config.exports.at(0));
}

TEST(Order, HasTheDefaultsOfTheManual) {
  const export_config e;
  EXPECT_EQ(e.order, order_mode::automatic);
  EXPECT_EQ(e.window, 64U << 20);
  EXPECT_EQ(e.stall, std::chrono::seconds(2));
  EXPECT_EQ(e.spill_directory, "");
  EXPECT_EQ(e.spill_limit, std::nullopt);
}

TEST(Order, IsSpillWhereNothingElseIsSaid) {
  EXPECT_EQ(effective({}), order_mode::spill);
  EXPECT_EQ(effective({"--run", "x"}), order_mode::spill);
  EXPECT_EQ(effective({"--run", "x", "--size", "1G"}), order_mode::spill);
  EXPECT_EQ(effective({"--size", "1G"}), order_mode::spill);
  EXPECT_EQ(effective({"--size", "1G", "--gaps", "allow"}), order_mode::spill);
  EXPECT_EQ(effective({"--size", "1G", "--order", "auto"}), order_mode::spill);
}

TEST(Order, IsWhatWasSaid) {
  EXPECT_EQ(effective({"--order", "strict"}), order_mode::strict);
  EXPECT_EQ(effective({"--order", "window", "--size", "1G"}), order_mode::window);
  EXPECT_EQ(effective({"--order", "spill"}), order_mode::spill);
  EXPECT_EQ(effective({"--order", "spool", "--size", "1G"}), order_mode::spool);
}

TEST(Gaps, AreRefusedWithASizeAndWithoutRunButInSpoolUnlessToldOtherwise) {
  const auto gaps = [](const std::vector<std::string>& words) {
    configuration config = parse(words).config;
    static_cast<void>(complete_and_validate(config));
    return effective_gaps(config.exports.at(0), config.server);
  };
  EXPECT_EQ(gaps({"--size", "1G"}), gaps_policy::refuse);
  EXPECT_EQ(gaps({"--size", "1G", "--order", "spool"}), gaps_policy::allow);
  EXPECT_EQ(gaps({"--order", "spool", "--gaps", "refuse"}), gaps_policy::refuse);
  EXPECT_EQ(gaps({}), gaps_policy::allow);
  EXPECT_EQ(gaps({"--gaps", "refuse"}), gaps_policy::refuse);
  EXPECT_EQ(gaps({"--size", "1G", "--gaps", "allow"}), gaps_policy::allow);
  EXPECT_EQ(gaps({"--run", "x", "--size", "1G"}), gaps_policy::allow);
  EXPECT_EQ(gaps({"--run", "x", "--size", "1G", "--gaps", "refuse"}), gaps_policy::refuse);
}

TEST(SpillDirectory, IsTheGivenOneOrThatOfTheEnvironment) {
  export_config e;
  {
    const temporary_tmpdir variable("/elsewhere");
    EXPECT_EQ(effective_spill_directory(e), "/elsewhere");
    e.spill_directory = "big";
    EXPECT_EQ(effective_spill_directory(e), "big");
  }
  e.spill_directory.clear();
  for (const char* const none : {static_cast<const char*>(nullptr), ""}) {
    const temporary_tmpdir variable(none);
    EXPECT_EQ(effective_spill_directory(e), "/var/tmp");
  }
}

TEST(SpillDirectory, MustBeThereWhereItIsGiven) {
  for (const char* const order : {"auto", "spill", "spool"}) {
    EXPECT_TRUE(names(refusal({"--order", order, "--spill-directory", missing, "-e", "vm"}),
                      {"export \"vm\": --spill-directory \"/nonexistent/nbdstream\"",
                       "No such file", "can be written"}));
  }
  const temporary_directory directory;
  EXPECT_NO_THROW(complete({"--order", "spill", "--spill-directory", directory.path()}));
  EXPECT_NO_THROW(complete({"--order", "spool", "--spill-directory", directory.path() + "/"}));
}

TEST(SpillDirectory, MustBeADirectory) {
  const temporary_file file("");
  EXPECT_TRUE(names(refusal({"--order", "spill", "--spill-directory", file.path()}),
                    {file.path(), "Not a directory"}));
}

TEST(SpillDirectory, MustBeWritable) {
  const auto as_nobody = [] {
    if (::geteuid() == 0 && ::setuid(65534) != 0) ::_exit(1);  // root may write everywhere
    const std::string message = refusal({"--order", "spill", "--spill-directory", "/"});
    ::_exit(names(message, {"--spill-directory \"/\"", "Permission denied"}) ? 0 : 2);
  };
  EXPECT_EXIT(as_nobody(), ::testing::ExitedWithCode(0), "");
}

TEST(SpillDirectory, OfTheEnvironmentMustBeThereWhereItIsNeeded) {
  const temporary_tmpdir variable(missing);
  for (const char* const order : {"spill", "spool"}) {
    EXPECT_TRUE(names(refusal({"--order", order}),
                      {missing, "$TMPDIR", "No such file", "--spill-directory"}));
  }
}

TEST(SpillDirectory, OfTheEnvironmentIsNotLookedForUntilItIsNeeded) {
  const temporary_tmpdir variable(missing);
  for (const char* const order : {"auto", "strict", "window"}) {
    EXPECT_NO_THROW(complete({"--order", order, "--size", "1G"})) << order;
  }
}

TEST(SpillFile, IsRefusedForAnOrderThatHasNone) {
  const temporary_directory directory;
  for (const char* const order : {"strict", "window"}) {
    EXPECT_TRUE(names(refusal({"--order", order, "--spill-limit", "1G"}),
                      {"--spill-limit is for --order spill and spool", "leave it out"}));
    EXPECT_TRUE(names(refusal({"--order", order, "--spill-directory", directory.path()}),
                      {"--spill-directory is for --order spill and spool", "leave it out"}));
  }
}

TEST(SpillFile, MayBeLimitedWhereverThereIsOne) {
  EXPECT_TRUE(complete({"--size", "1G", "--spill-limit", "1G"}).empty());
  EXPECT_TRUE(complete({"--run", "x", "--order", "spill", "--spill-limit", "1G"}).empty());
  EXPECT_TRUE(complete({"--run", "x", "-e", "vm", "--spill-limit", "1G"}).empty());
}

TEST(SpillFile, CannotBeLimitedToNothing) {
  EXPECT_NO_THROW(complete({"--order", "spill", "--spill-limit", "1"}));
  EXPECT_NO_THROW(complete({"--order", "spill", "--spill-limit", "9223372036854775807"}));
  EXPECT_TRUE(names(refusal({"--order", "spill", "--spill-limit", "0"}),
                    {"--spill-limit 0", "--order window"}));
}

TEST(Window, OfNothingIsForSpillOnly) {
  EXPECT_NO_THROW(complete({"--order", "spill", "--window", "0"}));
  EXPECT_NO_THROW(complete({"--size", "1G", "--window", "0"}));
  EXPECT_TRUE(names(refusal({"--order", "window", "--window", "0", "-e", "vm"}),
                    {"export \"vm\": --window 0", "--order strict"}));
  EXPECT_NO_THROW(complete({"--window", "0"}));
}

TEST(Window, IsUnusedWhereThereIsNone) {
  for (const char* const order : {"strict", "spool"}) {
    EXPECT_NO_THROW(complete({"--order", order, "--window", "0", "--stall", "0"})) << order;
  }
}

TEST(Window, IsAtMostTwoToTheSixtyTwo) {
  EXPECT_NO_THROW(complete({"--window", "4E"}));
  EXPECT_TRUE(names(refusal({"--window", "4611686018427387905"}),
                    {"--window 4611686018427387905 is too large", "4611686018427387904 (2^62)"}));
}

}  // namespace
}  // namespace nbdstream::config

// SPDX-License-Identifier: BSD-3-Clause
//
// The loader of a host that is newer than the published header: every structure has one more
// member, `future`. What it loads is older than it, or as new, or cut short.
#include "sink/module.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace nbdstream::sink {
namespace {

module load(const std::string& name) {
  return load_module(MODULE_DIRECTORY "/" + name + ".so");
}

constexpr auto set = std::numeric_limits<std::uint64_t>::max();

TEST(LoaderOfTheNextMinor, takes_a_published_module_and_has_nothing_where_that_ends) {
  for (const char* name : {"frozen", "recorder"}) {
    const module m = load(name);
    EXPECT_EQ(m.table.abi_minor, name == std::string("frozen") ? 0U : 1U) << name;
    EXPECT_EQ(m.table.future, 0U) << name;
    ASSERT_GE(m.options.size(), 6U) << name;
    for (const auto& option : m.options) EXPECT_EQ(option.future, 0U) << name;
    EXPECT_STREQ(m.options[0].name, "path");
    EXPECT_STREQ(m.options[5].name, name == std::string("frozen") ? "pause" : "again-every");
  }
}

TEST(LoaderOfTheNextMinor, TakesAModuleOf11WithAllThatThatHas) {
  const module m = load("frozen_1_1");
  EXPECT_EQ(m.table.abi_minor, 1U);
  EXPECT_NE(m.table.check, nullptr);
  EXPECT_EQ(m.table.future, 0U);
  EXPECT_EQ(load("frozen").table.check, nullptr);
}

TEST(LoaderOfTheNextMinor, takes_a_module_as_new_as_itself_with_all_that_it_has) {
  const module m = load("newer");
  EXPECT_EQ(m.table.abi_minor, 7U);
  EXPECT_EQ(m.table.future, set);
  ASSERT_EQ(m.options.size(), 2U);
  EXPECT_EQ(m.options[1].future, set);
}

TEST(LoaderOfTheNextMinor, does_not_look_past_the_end_of_an_older_table) {
  const module m = load("older");
  EXPECT_NE(m.table.abort, nullptr);
  EXPECT_EQ(m.table.interrupt, nullptr);
  EXPECT_EQ(m.table.future, 0U);
}

TEST(LoaderOfTheNextMinor, takes_no_half_of_a_member) {
  EXPECT_EQ(load("cut").table.interrupt, nullptr);
}

TEST(LoaderOfTheNextMinor, refuses_a_table_that_lacks_what_is_required) {
  EXPECT_THROW(load("short_table"), load_error);
}

}  // namespace
}  // namespace nbdstream::sink

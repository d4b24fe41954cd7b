// SPDX-License-Identifier: BSD-3-Clause
//
// The recipes of the README and the guide, run as they stand there. A recipe is a `### heading` of
// a section "## Recipes", with the blocks of shell commands below it.
#include "support/integration_test.hpp"
#include "support/markdown.hpp"

#include <algorithm>
#include <cctype>
#include <map>

namespace nbdstream::test {
namespace {

const std::filesystem::path source = source_directory;

/// How many recipes each page has, so that none vanishes unnoticed.
const std::map<std::string, std::size_t> expected_counts{
    {"README.md", 5},
    {"doc/guide/another-machine.md", 1},
    {"doc/guide/clients.md", 3},
    {"doc/guide/compression.md", 1},
    {"doc/guide/control.md", 1},
    {"doc/guide/incremental.md", 1},
    {"doc/guide/migrating.md", 1},
    {"doc/guide/nightly-backup.md", 2},
    {"doc/guide/orders.md", 1},
    {"doc/guide/receipts.md", 4},
    {"doc/guide/restore.md", 3},
    {"doc/guide/service.md", 1},
    {"doc/guide/sinks.md", 3},
    {"doc/guide/tls.md", 2},
};

struct recipe {
  std::string page;
  std::string heading;
  std::string script;
};

std::string name_of(const recipe& r) {
  std::string name = std::filesystem::path(r.page).stem().string() + ' ' + r.heading;
  std::replace(name.begin(), name.end(), '-', ' ');
  std::erase_if(name, [](unsigned char c) { return c != ' ' && !std::isalnum(c); });
  std::replace(name.begin(), name.end(), ' ', '_');
  return name;
}

std::ostream& operator<<(std::ostream& out, const recipe& r) {
  return out << name_of(r);
}

std::vector<std::string> recipe_pages() {
  std::vector<std::string> names{"README.md"};
  for (const auto& entry : std::filesystem::directory_iterator(source / "doc/guide")) {
    names.push_back("doc/guide/" + entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<recipe> read_recipes() {
  std::vector<recipe> recipes;
  for (const auto& page : recipe_pages()) {
    for (const auto& each : read_blocks(source / page)) {
      if (each.section != "Recipes" || each.language != "sh") continue;
      const bool goes_on =
          !recipes.empty() && recipes.back().page == page && recipes.back().heading == each.heading;
      if (!goes_on) recipes.push_back({page, each.heading, {}});
      recipes.back().script += each.text;
    }
  }
  return recipes;
}

class Recipe : public integration_test, public ::testing::WithParamInterface<recipe> {};

/// A port of its own for each test that runs at the same time.
std::string with_free_port(std::string script) {
  const auto port = std::to_string(free_port());
  for (auto at = script.find("9000"); at != script.npos; at = script.find("9000", at)) {
    script.replace(at, 4, port);
  }
  return script;
}

TEST_P(Recipe, WorksAsItStands) {
  make_disk();
  write_file(path("recipe.sh"), "set -e\nexport NBDSTREAM_SOURCE='" NBDSTREAM_SOURCE
                                "' XDG_CACHE_HOME=\"$PWD/cache\"\n" +
                                    with_free_port(GetParam().script));
  EXPECT_TRUE(ended_with(0, start({"bash", "recipe.sh"}).wait()));
  // What each of them is about is the raw disk: as a file, compressed, or as a checksum.
  const std::string check =
      "if [ -e out.raw.gz ]; then gunzip -c out.raw.gz > out.raw; fi\n"
      "if [ -e out.raw.zst ]; then zstd -qd out.raw.zst; fi\n"
      "if [ -e out.qcow2.gz ]; then gunzip out.qcow2.gz; fi\n"
      "if [ -e out.qcow2 ]; then qemu-img convert out.qcow2 -O raw out.raw; fi\n"
      "if [ -e sum ]; then sha256sum < in.raw | cmp - sum; else cmp out.raw in.raw; fi\n"
      "[ ! -e out2.raw ] || cmp out2.raw in.raw\n";
  EXPECT_TRUE(ended_with(0, start({"bash", "-e", "-c", check}).wait()));
}

INSTANTIATE_TEST_SUITE_P(Of, Recipe, ::testing::ValuesIn(read_recipes()),
                         [](const auto& each) { return name_of(each.param); });

TEST(Recipes, AreAsManyOnEachPageAsExpected) {
  std::map<std::string, std::size_t> counts;
  for (const auto& each : read_recipes()) ++counts[each.page];
  EXPECT_EQ(counts, expected_counts);
}

/// A heading of a section "Recipes" without commands would be no recipe.
TEST(Recipes, HaveCommandsUnderEachHeading) {
  for (const auto& page : recipe_pages()) {
    std::istringstream lines(read_file(source / page));
    std::size_t headings = 0;
    bool in_recipes = false;
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("## ")) in_recipes = line == "## Recipes";
      if (in_recipes && line.starts_with("### ")) ++headings;
    }
    const auto expected = expected_counts.find(page);
    EXPECT_EQ(headings, expected == expected_counts.end() ? 0 : expected->second) << page;
  }
}

}  // namespace
}  // namespace nbdstream::test

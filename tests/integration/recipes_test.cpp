// SPDX-License-Identifier: BSD-3-Clause
//
// The recipes of the README, run as they stand there: each `### heading` of its section "Recipes"
// with the shell commands below it.
#include "support/integration_test.hpp"

#include <algorithm>
#include <cctype>
#include <sstream>

namespace nbdstream::test {
namespace {

struct recipe {
  std::string name;  ///< the heading, as a test can be called
  std::string script;
};

std::ostream& operator<<(std::ostream& out, const recipe& r) {
  return out << r.name;
}

std::vector<recipe> read_recipes() {
  std::vector<recipe> recipes;
  std::istringstream readme(read_file(NBDSTREAM_SOURCE "/README.md"));
  bool in_section = false;
  bool in_script = false;
  for (std::string line; std::getline(readme, line);) {
    if (line.starts_with("## ")) in_section = line == "## Recipes";
    if (!in_section) continue;
    if (line.starts_with("### ")) {
      std::string name = line.substr(4);
      std::erase_if(name, [](char c) { return c != ' ' && !std::isalnum(c); });
      std::replace(name.begin(), name.end(), ' ', '_');
      recipes.push_back({name, {}});
    } else if (line.starts_with("```")) {
      in_script = line == "```sh";
    } else if (in_script) {
      recipes.back().script += line + '\n';
    }
  }
  return recipes;
}

class readme : public integration_test, public ::testing::WithParamInterface<recipe> {};

/// A port of its own for each test that runs at the same time.
std::string with_free_port(std::string script) {
  const auto port = std::to_string(free_port());
  for (auto at = script.find("9000"); at != script.npos; at = script.find("9000", at)) {
    script.replace(at, 4, port);
  }
  return script;
}

TEST_P(readme, recipe_works_as_it_stands) {
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

INSTANTIATE_TEST_SUITE_P(recipes, readme, ::testing::ValuesIn(read_recipes()),
                         [](const auto& each) { return each.param.name; });

TEST(ReadmeRecipes, AreTwentyTwo) {
  EXPECT_EQ(read_recipes().size(), 22u);
}

}  // namespace
}  // namespace nbdstream::test

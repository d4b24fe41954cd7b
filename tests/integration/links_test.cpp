// SPDX-License-Identifier: BSD-3-Clause
//
// The links of the project's pages in Markdown: those to files of the project lead to a file, and
// those to a heading lead to a heading.
#include "support/integration_test.hpp"

#include <cctype>
#include <map>
#include <regex>
#include <set>
#include <sstream>

namespace nbdstream::test {
namespace {

namespace fs = std::filesystem;

/// All pages that are in version control: build trees and hidden directories are not.
std::vector<fs::path> all_pages() {
  std::vector<fs::path> found;
  const auto walk_end = fs::recursive_directory_iterator();
  for (auto it = fs::recursive_directory_iterator(source_directory); it != walk_end; ++it) {
    const std::string name = it->path().filename();
    const bool ours = name == ".github" || (name != "build" && !name.starts_with("."));
    if (it->is_directory() && !ours) it.disable_recursion_pending();
    if (it->is_regular_file() && it->path().extension() == ".md") found.push_back(it->path());
  }
  return found;
}

/// The page without its blocks of code, whose brackets are no links and whose '#' is no heading.
std::vector<std::string> prose_lines(const fs::path& page) {
  std::vector<std::string> lines;
  std::istringstream in(read_file(page));
  bool fenced = false;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("```")) fenced = !fenced;
    if (!fenced && !line.starts_with("    ")) lines.push_back(line);
  }
  return lines;
}

/// The anchor that GitHub gives a heading: lower case, without punctuation, '-' for each space.
std::string anchor_of(const std::string& heading) {
  const std::string text =
      std::regex_replace(heading, std::regex(R"(\[([^\]]*)\]\([^)]*\))"), "$1");
  std::string anchor;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == ' ') {
      anchor += '-';
    } else if (byte >= 0x80 || c == '-' || c == '_' || std::isalnum(byte) != 0) {
      anchor += static_cast<char>(std::tolower(byte));
    }
  }
  return anchor;
}

std::set<std::string> anchors_of(const fs::path& page) {
  std::set<std::string> anchors;
  std::map<std::string, int> times;
  const std::regex heading("#+ +(.*)");
  for (const auto& line : prose_lines(page)) {
    std::smatch match;
    if (!std::regex_match(line, match, heading)) continue;
    const auto anchor = anchor_of(match[1]);
    const int before = times[anchor]++;
    anchors.insert(before == 0 ? anchor : anchor + "-" + std::to_string(before));
  }
  return anchors;
}

/// What the links of a page lead to, but for those to other sites.
std::vector<std::string> links_of(const fs::path& page) {
  std::vector<std::string> links;
  const std::regex link(R"(\]\(([^)\s]+)\))");
  const std::regex elsewhere("[a-z]+:.*");
  for (const auto& line : prose_lines(page)) {
    for (std::sregex_iterator it(line.begin(), line.end(), link), end; it != end; ++it) {
      const std::string to = (*it)[1];
      if (!std::regex_match(to, elsewhere)) links.push_back(to);
    }
  }
  return links;
}

/// Why a link leads nowhere; empty: it leads somewhere.
std::string fault_of(const fs::path& page, const std::string& link) {
  const auto hash = link.find('#');
  const auto file = link.substr(0, hash);
  const auto target = file.empty() ? page : page.parent_path() / file;
  if (!fs::exists(target)) return "there is no such file";
  if (hash == link.npos || target.extension() != ".md") return {};
  return anchors_of(target).contains(link.substr(hash + 1)) ? "" : "there is no such heading";
}

TEST(Links, OfAllPagesLeadSomewhere) {
  std::size_t checked = 0;
  for (const auto& page : all_pages()) {
    for (const auto& link : links_of(page)) {
      ++checked;
      EXPECT_EQ(fault_of(page, link), "") << page << ": " << link;
    }
  }
  EXPECT_GT(checked, 100U);
}

class LinkFault : public integration_test {};

TEST_F(LinkFault, IsFoundInAPageThatHasOne) {
  write_file(path("other.md"), "# The `--end told`, twice\n\n## Again\n\n## Again\n");
  write_file(path("page.md"), "[a](other.md#the---end-told-twice) [b](other.md#again-1) [c](#d)\n");
  EXPECT_EQ(links_of(path("page.md")).size(), 3U);
  EXPECT_EQ(fault_of(path("page.md"), "other.md#the---end-told-twice"), "");
  EXPECT_EQ(fault_of(path("page.md"), "other.md#again-1"), "");
  EXPECT_EQ(fault_of(path("page.md"), "other.md#again-2"), "there is no such heading");
  EXPECT_EQ(fault_of(path("page.md"), "#d"), "there is no such heading");
  EXPECT_EQ(fault_of(path("page.md"), "none.md"), "there is no such file");
}

}  // namespace
}  // namespace nbdstream::test

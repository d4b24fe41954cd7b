// SPDX-License-Identifier: BSD-3-Clause
//
// The formatted manual pages, compared with what the program prints about itself.
#include "support/integration_test.hpp"

#include <algorithm>
#include <regex>
#include <set>
#include <sstream>

namespace nbdstream::test {
namespace {

using words = std::set<std::string>;

/// The first group of each match of `pattern` in `text`.
words all_of(const std::string& text, const std::string& pattern) {
  const std::regex expression(pattern, std::regex::ECMAScript | std::regex::multiline);
  words found;
  for (std::sregex_iterator it(text.begin(), text.end(), expression), end; it != end; ++it) {
    found.insert((*it)[1]);
  }
  return found;
}

/// Replaces all white space by single spaces, so that line breaks do not matter.
std::string squeezed(const std::string& text) {
  return std::regex_replace(text, std::regex("\\s+"), " ");
}

class ManualPage : public integration_test {
 protected:
  static std::filesystem::path page(const std::string& name) {
    return std::filesystem::path(NBDSTREAM_BUILD "/doc/man") / name;
  }

  /// A page as mandoc prints it, in lines long enough to need no line breaks.
  std::string shown(const std::string& name) const {
    const result ended =
        start({"mandoc", "-T", "ascii", "-O", "width=1000", page(name).string()}).wait();
    EXPECT_TRUE(ended_with(0, ended));
    return std::regex_replace(ended.out, std::regex(".\b"), "");  // bold is a letter twice
  }

  std::string said(const arguments& args) const {
    const result ended = nbdstream(args);
    EXPECT_TRUE(ended_with(0, ended));
    return ended.out;
  }

  words sinks() const { return all_of(said({"--list-sinks"}), "^([^\t\n]+)\t"); }
};

TEST_F(ManualPage, ExplainsEachOptionInTheWordsOfHelp) {
  const std::string text = squeezed(shown("nbdstream.1"));
  std::string entry;
  int entries = 0;
  std::istringstream help(said({"--help"}));
  const auto check = [&] {
    if (entry.empty()) return;
    ++entries;
    EXPECT_NE(text.find(squeezed(entry)), text.npos) << "not in nbdstream(1): " << entry;
  };
  for (std::string line; std::getline(help, line) && !line.starts_with("SIZE is");) {
    const bool begins = line.starts_with("  -") || line.starts_with("      --");
    const bool goes_on = !entry.empty() && line.starts_with("          ");
    if (!goes_on) check();
    if (begins) {
      entry = line.substr(line.find('-'));
    } else if (goes_on) {
      entry += line;
    } else {
      entry.clear();
    }
  }
  EXPECT_GT(entries, 30);
}

TEST_F(ManualPage, HasNoOptionThatHelpLacks) {
  const std::string option = "^ *(?:-., )?(--[a-z-]+)";
  const words known = all_of(said({"--help"}), option);
  EXPECT_EQ(all_of(shown("nbdstream.1"), option), known);
}

TEST_F(ManualPage, HasExitStatusesAndExamplesOfHelp) {
  const std::string help = said({"--help"});
  const std::string text = squeezed(shown("nbdstream.1"));
  const words statuses = all_of(help, "^  ((?:\\d|N|128\\+N)  +\\w+ \\w+)");
  EXPECT_EQ(statuses.size(), 5u);
  for (const auto& status : statuses) EXPECT_TRUE(mentions(text, squeezed(status)));
  const words examples = all_of(help, "^    (nbdstream --sink .*)");
  EXPECT_GE(examples.size(), 5u);
  for (const auto& example : examples) EXPECT_TRUE(mentions(text, squeezed(example)));
}

TEST_F(ManualPage, ExistsForEachSinkAndListsItsSettings) {
  EXPECT_GE(sinks().size(), 3u);
  for (const auto& sink : sinks()) {
    SCOPED_TRACE(sink);
    const std::string name = "nbdstream-" + sink + ".7";
    ASSERT_TRUE(std::filesystem::exists(page(name)));
    const std::string text = shown(name);
    const words known = all_of(said({"--dump-sink", sink}), "^option=([^ ]+) ");
    EXPECT_EQ(all_of(text.substr(text.find("\nOPTIONS")), "^     ? ? ?([a-z-]+)=[a-z]+$"), known);
    EXPECT_TRUE(mentions(shown("nbdstream.1"), "nbdstream-" + sink + "(7)"));
  }
}

TEST_F(ManualPage, DescribesEachCallOfSinkTable) {
  const std::string header = read_file(source_directory + "/core/include/nbdstream/sink.h");
  const words calls = all_of(header, "\\(\\*([a-z_]+)\\)\\(");
  EXPECT_GE(calls.size(), 14u);
  const words entries = all_of(shown("nbdstream-sink.3"), "^ {5,7}([a-z_]+)$");
  EXPECT_TRUE(std::includes(entries.begin(), entries.end(), calls.begin(), calls.end()));
}

TEST_F(ManualPage, PassesMandocLint) {
  int pages = 0;
  for (const auto& entry : std::filesystem::directory_iterator(page("."))) {
    const std::string name = entry.path().filename();
    if (!std::regex_match(name, std::regex("nbdstream.*\\.[1-7]"))) continue;
    ++pages;
    const result ended = start({"mandoc", "-T", "lint", "-W", "warning", page(name)}).wait();
    EXPECT_TRUE(ended_with(0, ended)) << ended.out;
    EXPECT_TRUE(std::filesystem::exists(page(name + ".gz")));
  }
  EXPECT_GE(pages, 6);
}

}  // namespace
}  // namespace nbdstream::test

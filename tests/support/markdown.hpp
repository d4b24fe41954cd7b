// SPDX-License-Identifier: BSD-3-Clause
//
// Pages in Markdown, as far as tests read them: the blocks of code, and where each stands.
#ifndef NBDSTREAM_TESTS_SUPPORT_MARKDOWN_HPP
#define NBDSTREAM_TESTS_SUPPORT_MARKDOWN_HPP

#include "support/files.hpp"

#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

namespace nbdstream::test {

/// A block of code of a page.
struct block {
  std::string section;   ///< the heading of the second level above it
  std::string heading;   ///< the heading of the third level above it, in the same section
  std::string before;    ///< the paragraph above it, each line with a space before it
  std::string language;  ///< empty: indented, or without a language
  std::string text;
};

inline std::vector<block> read_blocks(const std::filesystem::path& page) {
  std::vector<block> blocks;
  std::istringstream lines(read_file(page));
  block here;
  bool fenced = false;
  bool after_empty = true;
  for (std::string line; std::getline(lines, line); after_empty = line.empty()) {
    const bool indented = line.starts_with("    ");
    if (line.starts_with("```")) {
      fenced = !fenced;
      here.language = fenced ? line.substr(3) : "";
      if (fenced) blocks.push_back(here);
    } else if (fenced) {
      blocks.back().text += line + '\n';
    } else if (indented) {
      if (after_empty) blocks.push_back(here);
      blocks.back().text += line.substr(4) + '\n';
    } else if (line.starts_with("## ")) {
      here = {};
      here.section = line.substr(3);
    } else if (line.starts_with("### ")) {
      here.heading = line.substr(4);
      here.before.clear();
    } else if (!line.empty()) {
      if (after_empty) here.before.clear();
      here.before.append(" ").append(line);
    }
  }
  return blocks;
}

}  // namespace nbdstream::test
#endif

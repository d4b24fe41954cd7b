// SPDX-License-Identifier: BSD-3-Clause
//
// nbdstream.toml(5) beside the keys that the program knows.
#include "config/keys.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <string>

namespace nbdstream::config {
namespace {

using types = std::map<std::string, std::string>;

/// The keys under one heading of the page's source, each with its type: "*size* = _size_".
types keys_in_manual(const std::string& heading) {
  types found;
  std::ifstream page(NBDSTREAM_SOURCE "/doc/man/nbdstream.toml.5.scd");
  bool here = false;
  for (std::string line; std::getline(page, line);) {
    if (line.starts_with("# ")) here = line == "# " + heading;
    const auto end = line.find("* = _");
    if (!here || !line.starts_with('*') || end == line.npos) continue;
    found[line.substr(1, end - 1)] = line.substr(end + 5, line.size() - end - 6);
  }
  return found;
}

std::string word(value_type type) {
  switch (type) {
    case value_type::integer: return "integer";
    case value_type::word_or_integer: return "text or integer";
    case value_type::boolean: return "boolean";
    case value_type::size: return "size";
    case value_type::duration: return "duration";
    case value_type::list: return "list";
    case value_type::text: break;
  }
  return "text";
}

template <class Target>
types keys_of_program(std::span<const key<Target>> keys) {
  types known;
  for (const auto& k : keys) known[std::string(k.name)] = word(k.type);
  return known;
}

TEST(Manual, HasTheKeysOfTheServerWithTheirTypesAndNoOthers) {
  EXPECT_EQ(keys_in_manual("KEYS OF [server]"), keys_of_program(server_keys()));
}

TEST(Manual, HasTheKeysOfAnExportWithTheirTypesAndNoOthers) {
  EXPECT_EQ(keys_in_manual("KEYS OF [[export]]"), keys_of_program(export_keys()));
}

}  // namespace
}  // namespace nbdstream::config

// SPDX-License-Identifier: BSD-3-Clause
//
// Loading: what is no library at all. Modules that are broken in other ways are built by
// tests/abi, and loaded by tests/integration.
#include "sink/module.hpp"

#include "support/temp_directory.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace nbdstream::test {
namespace {

/// The one sentence with which `path` is refused.
std::string refusal(const std::string& path) {
  try {
    (void)sink::load_module(path);
  } catch (const sink::load_error& e) {
    return e.what();
  }
  ADD_FAILURE() << path << " was loaded";
  return {};
}

void expect_one_line(const std::string& text, const std::string& path) {
  EXPECT_TRUE(text.starts_with(path)) << text;
  EXPECT_EQ(text.find('\n'), std::string::npos) << text;
}

TEST(Module, ThatIsNotThereIsRefusedInOneSentence) {
  const temp_directory t;
  const auto path = (t / "none.so").string();
  const auto text = refusal(path);
  expect_one_line(text, path);
  EXPECT_NE(text.find("no such file"), std::string::npos);
}

TEST(Module, ThatIsNoLibraryIsRefusedInOneSentence) {
  const temp_directory t;
  for (const std::string content : {"", "some text",
                                    "\x7f"
                                    "ELF"}) {
    const auto path = (t / "text.so").string();
    std::ofstream(path) << content;
    expect_one_line(refusal(path), path);
  }
  expect_one_line(refusal(t.path().string()), t.path().string());
}

TEST(Module, IsNamedByItsAbsolutePathInAnError) {
  EXPECT_TRUE(
      refusal("./none.so").starts_with((std::filesystem::current_path() / "none.so").string()));
}

}  // namespace
}  // namespace nbdstream::test

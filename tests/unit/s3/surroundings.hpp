// SPDX-License-Identifier: BSD-3-Clause
//
// An environment, and a home directory, of a test's own: nothing of whoever runs it is seen.
#ifndef NBDSTREAM_TESTS_UNIT_S3_SURROUNDINGS_HPP
#define NBDSTREAM_TESTS_UNIT_S3_SURROUNDINGS_HPP

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "support/temp_directory.hpp"

extern char** environ;

namespace nbdstream::s3 {

class surroundings : public testing::Test {
 protected:
  void SetUp() override {
    std::map<std::string, std::string> seen;
    for (char** variable = environ; *variable; ++variable) {
      const std::string text = *variable;
      if (text.starts_with("AWS_") || text.starts_with("HOME="))
        seen[text.substr(0, text.find('='))] = text.substr(text.find('=') + 1);
    }
    before_ = seen;
    for (const auto& [name, value] : before_) ::unsetenv(name.c_str());
    set("HOME", home().string());
    set("AWS_EC2_METADATA_DISABLED", "true");
    std::filesystem::create_directory(home() / ".aws");
  }
  void TearDown() override {
    for (const auto& name : set_) ::unsetenv(name.c_str());
    for (const auto& [name, value] : before_) ::setenv(name.c_str(), value.c_str(), 1);
  }

  void set(const std::string& name, const std::string& value) {
    ::setenv(name.c_str(), value.c_str(), 1);
    set_.push_back(name);
  }
  [[nodiscard]] std::filesystem::path home() const { return directory_.path(); }
  void write(const std::string& name, const std::string& text) const {
    // Under another name first, so that it is another file also within one tick of the clock.
    const auto draft = home() / "draft";
    std::ofstream(draft) << text;
    std::filesystem::rename(draft, home() / name);
  }

 private:
  test::temp_directory directory_;
  std::map<std::string, std::string> before_;
  std::vector<std::string> set_;
};

}  // namespace nbdstream::s3
#endif

// SPDX-License-Identifier: BSD-3-Clause
//
// What the tests of the configuration share: a command line in braces, a file, an error's text.
#ifndef NBDSTREAM_TESTS_CONFIG_SUPPORT_HPP
#define NBDSTREAM_TESTS_CONFIG_SUPPORT_HPP

#include "config/cli.hpp"
#include "config/validate.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nbdstream::config {

using kind = listen_address::kind;

inline command parse(const std::vector<std::string>& words) {
  std::vector<const char*> argv{"nbdstream"};
  for (const auto& word : words) argv.push_back(word.c_str());
  return parse_command_line(static_cast<int>(argv.size()), argv.data());
}

/// The message that `call` fails with; it must be one line without odd ends.
template <class Call>
std::string error_of(Call call) {
  try {
    call();
  } catch (const error& e) {
    std::string message = e.what();
    EXPECT_FALSE(message.empty());
    EXPECT_EQ(message.find('\n'), message.npos) << message;
    EXPECT_FALSE(message.ends_with('.')) << message;
    return message;
  }
  ADD_FAILURE() << "nothing was refused";
  return {};
}

inline std::string error_of_words(const std::vector<std::string>& words) {
  return error_of([&] { static_cast<void>(parse(words)); });
}

/// The warnings about a command line; `config` is then complete.
inline std::vector<std::string> complete(const std::vector<std::string>& words,
                                         configuration& config) {
  config = parse(words).config;
  return complete_and_validate(config);
}
inline std::vector<std::string> complete(const std::vector<std::string>& words) {
  configuration config;
  return complete(words, config);
}

/// The error about a command line that can be parsed and is invalid.
inline std::string refusal(const std::vector<std::string>& words) {
  return error_of([&] { static_cast<void>(complete(words)); });
}

/// Whether all of `parts` stand in `message`.
inline ::testing::AssertionResult names(const std::string& message,
                                        std::initializer_list<std::string_view> parts) {
  for (const auto part : parts) {
    if (message.find(part) == message.npos) {
      return ::testing::AssertionFailure() << "no '" << part << "' in: " << message;
    }
  }
  return ::testing::AssertionSuccess();
}

/// A file with `text` in it that lives as long as the object.
class temporary_file {
 public:
  explicit temporary_file(std::string_view text) {
    const int fd = ::mkstemp(path_.data());
    EXPECT_GE(fd, 0);
    EXPECT_EQ(::write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    ::close(fd);
  }
  temporary_file(const temporary_file&) = delete;
  temporary_file& operator=(const temporary_file&) = delete;
  ~temporary_file() { ::unlink(path_.c_str()); }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_ = ::testing::TempDir() + "nbdstream-config-XXXXXX";
};

/// An empty directory that is removed with the object.
class temporary_directory {
 public:
  temporary_directory() { EXPECT_NE(::mkdtemp(path_.data()), nullptr); }
  temporary_directory(const temporary_directory&) = delete;
  temporary_directory& operator=(const temporary_directory&) = delete;
  ~temporary_directory() { ::rmdir(path_.c_str()); }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_ = ::testing::TempDir() + "nbdstream-config-XXXXXX";
};

/// $TMPDIR as a test wants it, and as it was after that.
class temporary_tmpdir {
 public:
  /// Null: not set.
  explicit temporary_tmpdir(const char* value) {
    if (const char* before = ::getenv("TMPDIR")) before_ = before;
    set(value);
  }
  temporary_tmpdir(const temporary_tmpdir&) = delete;
  temporary_tmpdir& operator=(const temporary_tmpdir&) = delete;
  ~temporary_tmpdir() { set(before_ ? before_->c_str() : nullptr); }

 private:
  static void set(const char* value) {
    EXPECT_EQ(value ? ::setenv("TMPDIR", value, 1) : ::unsetenv("TMPDIR"), 0);
  }

  std::optional<std::string> before_;
};

}  // namespace nbdstream::config
#endif

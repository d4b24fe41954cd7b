// SPDX-License-Identifier: BSD-3-Clause
//
// A directory of one test's own, gone when the test is over.
#ifndef NBDSTREAM_TESTS_SUPPORT_TEMP_DIRECTORY_HPP
#define NBDSTREAM_TESTS_SUPPORT_TEMP_DIRECTORY_HPP

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

namespace nbdstream::test {

class temp_directory {
 public:
  temp_directory() {
    std::string name = std::filesystem::temp_directory_path() / "nbdstream-test-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr)
      throw std::system_error(errno, std::generic_category(), name);
    path_ = name;
  }
  temp_directory(const temp_directory&) = delete;
  temp_directory& operator=(const temp_directory&) = delete;
  ~temp_directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  [[nodiscard]] std::filesystem::path operator/(const std::filesystem::path& name) const {
    return path_ / name;
  }

 private:
  std::filesystem::path path_;
};

}  // namespace nbdstream::test
#endif

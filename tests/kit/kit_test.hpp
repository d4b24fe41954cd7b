// SPDX-License-Identifier: BSD-3-Clause
//
// What the tests of the kit share: an installation of this build in a directory of the test's own.
#ifndef NBDSTREAM_TESTS_KIT_KIT_TEST_HPP
#define NBDSTREAM_TESTS_KIT_KIT_TEST_HPP

#include "support/integration_test.hpp"

namespace nbdstream::test {

class kit_test : public integration_test {
 protected:
  /// Installs the program, its sinks and what others need to build theirs.
  void install() {
    for (const char* component : {"runtime", "sink_s3", "development"})
      run({CMAKE_PROGRAM, "--install", NBDSTREAM_BUILD, "--prefix", prefix, "--component",
           component});
  }

  /// Runs a command, which must succeed. Returns its output.
  std::string run(arguments argv, process::options how = {}) const {
    // A compiler may be slow beside other tests.
    const result ended = start(std::move(argv), std::move(how)).wait(std::chrono::minutes(2));
    EXPECT_TRUE(ended_with(0, ended)) << ended.out;
    return ended.out;
  }

  /// The same for a shell command, in which pkg-config finds the installation.
  std::string run_shell(const std::string& script) const {
    return run({"/bin/sh", "-ec",
                "export PKG_CONFIG_PATH='" + prefix + "/" LIBRARY_SUBDIR "/pkgconfig'\n" + script});
  }

  /// Configures and builds the project in `source`, in source/build, with strict warnings.
  void build(const std::string& source, const arguments& more = {}) const {
    arguments configure{CMAKE_PROGRAM,
                        "-G",
                        "Ninja",
                        "-S",
                        source,
                        "-B",
                        source + "/build",
                        std::string("-DCMAKE_C_COMPILER=") + C_COMPILER,
                        std::string("-DCMAKE_CXX_COMPILER=") + CXX_COMPILER,
                        "-DCMAKE_C_FLAGS=" + warnings,
                        "-DCMAKE_CXX_FLAGS=" + warnings};
    // The packages of the server. A sink needs none of them.
    for (const char* package : {"Boost", "fmt", "OpenSSL", "PkgConfig", "Threads", "GTest"})
      configure.push_back(std::string("-DCMAKE_DISABLE_FIND_PACKAGE_") + package + "=ON");
    configure.insert(configure.end(), more.begin(), more.end());
    run(configure);
    run({CMAKE_PROGRAM, "--build", source + "/build"});
  }

  void copy_template(const std::string& file, const std::string& to) const {
    std::filesystem::create_directories(path(to));
    std::filesystem::copy(source_directory + "/sinks/template/" + file, path(to));
  }

  /// What a module exports, one symbol a line, sorted by name.
  [[nodiscard]] std::string symbols_of(const std::string& module) const {
    return run({NM_PROGRAM, "-D", "--defined-only", "-j", module});
  }
  /// The module exports its entry point and nothing else.
  void expect_one_symbol(const std::string& module) const {
    EXPECT_EQ(symbols_of(module), "nbdstream_sink_v1\n");
  }

  /// The installed program streams a disk through `sink`, whose argument is a file.
  void expect_stream(const std::string& sink) const {
    make_disk(4 * MiB);
    run({prefix + "/bin/nbdstream", "--sink", sink + ":out.raw", "--run", convert});
    EXPECT_TRUE(same_content(path("out.raw"), path("in.raw"))) << sink;
    EXPECT_FALSE(std::filesystem::exists(path("out.raw.part")));
    std::filesystem::remove(path("out.raw"));
  }

  static inline const std::string warnings =
      "-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror";
  std::string prefix = path("prefix").string();
  const std::string sinks = prefix + "/" NBDSTREAM_SINK_SUBDIR;
};

}  // namespace nbdstream::test
#endif

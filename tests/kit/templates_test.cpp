// SPDX-License-Identifier: BSD-3-Clause
//
// The templates, built in each way that is open to a third party, and run by the installed program.
#include "kit_test.hpp"

namespace nbdstream::test {
namespace {

class SinkTemplates : public kit_test {
 protected:
  SinkTemplates() { install(); }

  /// Builds a project that contains nbdstream, with a template as its sink `mine`.
  void build_with_nbdstream_inside(const std::string& language, const std::string& source,
                                   const std::string& inclusion) {
    copy_template(source, "mine");
    write_file(path("mine/CMakeLists.txt"),
               "cmake_minimum_required(VERSION 3.25)\n"
               "project(mine LANGUAGES " +
                   language + ")\n" + inclusion + "\nnbdstream_add_sink(mine SOURCES " + source +
                   ")\n"
                   "install(TARGETS sink_mine DESTINATION ${nbdstream_SINK_DIR})\n");
    build(path("mine"), {"-Dnbdstream=" + source_directory});
    expect_one_symbol(path("mine/build/mine.so"));
  }
};

TEST_F(SinkTemplates, BuildWithFindPackageAndInstallBesideBuiltInSinks) {
  for (const char* file : {"CMakeLists.txt", "template.c", "template.cpp"})
    copy_template(file, "mine");
  build(path("mine"), {"-DCMAKE_PREFIX_PATH=" + prefix});
  run({CMAKE_PROGRAM, "--install", path("mine/build")});
  for (const char* name : {"template_c", "template_cpp"}) {
    expect_one_symbol(sinks + "/" + name + ".so");
    expect_stream(name);
  }
}

TEST_F(SinkTemplates, CBuildsWithPkgConfig) {
  copy_template("template.c", ".");
  run_shell(C_COMPILER " -std=c11 " + warnings +
            " -shared -fPIC $(pkg-config --cflags --libs nbdstream) -o mine.so template.c");
  expect_one_symbol("mine.so");
  expect_stream("./mine.so");
}

TEST_F(SinkTemplates, CppBuildsWithPkgConfig) {
  copy_template("template.cpp", ".");
  run_shell(CXX_COMPILER " -std=c++20 " + warnings +
            " -fno-rtti -shared -fPIC $(pkg-config --cflags --libs nbdstream) -o mine.so "
            "template.cpp\n"
            "mv mine.so \"$(pkg-config --variable=sinkdir nbdstream)\"");
  expect_one_symbol(sinks + "/mine.so");
  expect_stream("mine");
}

TEST_F(SinkTemplates, CBuildsWithAddSubdirectory) {
  build_with_nbdstream_inside("C", "template.c", "add_subdirectory(${nbdstream} nbdstream)");
  expect_stream("mine/build/mine.so");
}

TEST_F(SinkTemplates, CppBuildsWithFetchContentAndInstallsOnlyItself) {
  build_with_nbdstream_inside("CXX", "template.cpp",
                              "include(FetchContent)\n"
                              "FetchContent_Declare(nbdstream SOURCE_DIR ${nbdstream})\n"
                              "FetchContent_MakeAvailable(nbdstream)");
  expect_stream("mine/build/mine.so");
  run({CMAKE_PROGRAM, "--install", path("mine/build"), "--prefix", path("other")});
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path("other")))
    if (entry.is_regular_file()) files.push_back(entry.path().filename());
  EXPECT_EQ(files, std::vector<std::string>{"mine.so"});
}

TEST_F(SinkTemplates, RustBuildsWithoutCrates) {
  if (std::string_view(RUST_COMPILER).empty())
    GTEST_SKIP() << "there was no rustc when the tests were configured";
  copy_template("template.rs", ".");
  run_shell(
      "export NBDSTREAM_RS=$(pkg-config --variable=rust nbdstream)\n" RUST_COMPILER
      " --edition 2021 --crate-type cdylib -C panic=abort -D warnings -o mine.so template.rs");
  expect_one_symbol("mine.so");
  expect_stream("./mine.so");
  run({prefix + "/bin/nbdstream", "--check-sink", "./mine.so:out.raw"});
}

/// A program in C and one in Rust, both generated from sink.h, print all that it declares. The one
/// in Rust compiles only if each member has the right type.
TEST_F(SinkTemplates, RustBindingHasSameLayoutAsCHeader) {
  if (std::string_view(RUST_COMPILER).empty())
    GTEST_SKIP() << "there was no rustc when the tests were configured";
  const std::string headers = prefix + "/include/nbdstream/";
  run({"/usr/bin/python3", source_directory + "/tests/kit/rust_layout.py", headers + "sink.h",
       "."});
  std::filesystem::copy(headers + "nbdstream.rs", path("nbdstream.rs"));
  run_shell(C_COMPILER " $(pkg-config --cflags nbdstream) -o in_c layout.c");
  run({RUST_COMPILER, "--edition", "2021", "-o", "in_rust", "layout.rs"});
  const std::string layout = run({"./in_c"});
  EXPECT_TRUE(mentions(layout, "nbdstream_sink_table.check 144\n"));
  EXPECT_EQ(run({"./in_rust"}), layout);
}

}  // namespace
}  // namespace nbdstream::test

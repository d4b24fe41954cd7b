// SPDX-License-Identifier: BSD-3-Clause
//
// Where nbdstream looks for a sink: in NBDSTREAM_SINK_PATH, then in its own directory, or at a
// path.
#include "kit_test.hpp"

#include <algorithm>

namespace nbdstream::test {
namespace {

const std::string own_directory = NBDSTREAM_BUILD "/" NBDSTREAM_SINK_SUBDIR;

class SinkSearchPath : public kit_test {
 protected:
  /// Copies the module slow to `file`. It differs from the sink fifo.
  void put_slow_at(const std::string& file) const {
    std::filesystem::create_directories(path(file).parent_path());
    std::filesystem::copy(test_modules + "/slow.so", path(file));
  }

  [[nodiscard]] result nbdstream_with(const std::string& sink_path, const arguments& args) const {
    return nbdstream(args, {.environment = {"NBDSTREAM_SINK_PATH=" + sink_path}});
  }

  /// The file from which nbdstream loads the sink `name`.
  [[nodiscard]] std::string source_of(const std::string& name, const std::string& sink_path) const {
    const result ended = nbdstream_with(sink_path, {"--list-sinks"});
    EXPECT_TRUE(ended_with(0, ended));
    std::istringstream lines(ended.out);
    for (std::string line; std::getline(lines, line);)
      if (line.starts_with(name + '\t')) return line.substr(line.rfind('\t') + 1);
    return {};
  }

  /// The one line that refuses `sink`.
  [[nodiscard]] std::string refusal(const std::string& sink, const std::string& sink_path) const {
    const result ended = nbdstream_with(sink_path, {"--sink", sink, "-U", "sock"});
    EXPECT_TRUE(ended_with(2, ended));
    EXPECT_EQ(std::count(ended.err.begin(), ended.err.end(), '\n'), 1) << ended.err;
    return ended.err;
  }
};

TEST_F(SinkSearchPath, DefaultsToDirectoryOfProgram) {
  EXPECT_EQ(source_of("fifo", ""), own_directory + "/fifo.so");
}

TEST_F(SinkSearchPath, SearchesDirectoriesOfVariableFirstInOrder) {
  put_slow_at("b/fifo.so");
  EXPECT_EQ(source_of("fifo", path("a").string() + ":" + path("b").string()), path("b/fifo.so"));
  put_slow_at("a/fifo.so");
  EXPECT_EQ(source_of("fifo", path("a").string() + ":" + path("b").string()), path("a/fifo.so"));
  EXPECT_EQ(source_of("fifo", path("b").string() + ":" + path("a").string()), path("b/fifo.so"));
  EXPECT_EQ(source_of("stdout", path("a")), own_directory + "/stdout.so");
}

TEST_F(SinkSearchPath, LoadsModuleOfVariableBeforeBuiltInOne) {
  put_slow_at("a/fifo.so");
  const result ended = nbdstream_with("a", {"--dump-sink", "fifo"});
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_TRUE(mentions(ended.out, "delay"));
}

TEST_F(SinkSearchPath, EmptyElementIsNotWorkingDirectory) {
  put_slow_at("mine.so");
  EXPECT_TRUE(mentions(refusal("mine", "::" + path("a").string() + ":"), "\"mine\""));
  EXPECT_TRUE(ended_with(0, nbdstream_with("::.:", {"--dump-sink", "mine"})));
}

TEST_F(SinkSearchPath, UnknownNameListsSearchedDirectoriesInOneLine) {
  const std::string said = refusal("sokcet", path("a").string() + ":" + path("b").string());
  for (const std::string& part : {std::string("\"sokcet\""), path("a").string(), path("b").string(),
                                  own_directory, std::string("\"socket\"")})
    EXPECT_TRUE(mentions(said, part));
}

TEST_F(SinkSearchPath, BrokenFirstMatchIsNotSkipped) {
  std::filesystem::create_directory(path("a"));
  write_file(path("a/fifo.so"), "I am no module.\n");
  EXPECT_TRUE(mentions(refusal("fifo:x", "a"), "a/fifo.so"));
}

TEST_F(SinkSearchPath, IsNotUsedForFilePath) {
  put_slow_at("a/mine.so");
  EXPECT_TRUE(mentions(refusal("./mine.so", path("a")), "no such file"));
  EXPECT_TRUE(ended_with(0, nbdstream_with("", {"--dump-sink", "a/mine.so"})));
}

}  // namespace
}  // namespace nbdstream::test

// SPDX-License-Identifier: BSD-3-Clause
//
// The headers as compilers see them: no warning, and one clear error for a class that is no sink.
#include "kit_test.hpp"

#include <ostream>

namespace nbdstream::test {
namespace {

/// A sink with every member. The tests replace one member by a wrong one.
const std::string every_member = R"(#include <nbdstream/sink.hpp>
#include <array>
struct mine {
  static constexpr nbdstream::sink_description about{.name = "mine", .description = "Be mine"};
  static constexpr std::array<nbdstream_option, 1> options{
      {{"a", NBDSTREAM_OPTION_STRING, 0, nullptr, "help"}}};
  explicit mine(nbdstream::sink_host) {}
  ~mine() {}
  int open(const nbdstream_stream&) { return 0; }
  std::int64_t write(std::span<const std::byte>) { return 1; }
  int native_fd(std::uint32_t&) { return -1; }
  std::int64_t zero(std::uint64_t) { return 1; }
  int flush() { return 0; }
  int wait_for(nbdstream_wait&) { return 0; }
  void interrupt() noexcept {}
  int commit(std::uint64_t) { return 0; }
  int abort() noexcept { return 0; }
};
NBDSTREAM_EXPORT_SINK(mine)
)";

class SinkHeaders : public kit_test {
 protected:
  [[nodiscard]] result compiled(const std::string& compiler, const std::string& file,
                                const std::string& content, const arguments& flags) const {
    write_file(path(file), content);
    arguments argv{compiler, "-fsyntax-only", "-I", source_directory + "/core/include"};
    argv.insert(argv.end(), flags.begin(), flags.end());
    for (const char* warning : {"-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion",
                                "-Wsign-conversion", "-Wundef", "-Werror"})
      argv.emplace_back(warning);
    argv.push_back(file);
    return start(argv).wait(std::chrono::minutes(2));
  }
};

TEST_F(SinkHeaders, CompileInCWithoutWarning) {
  for (const char* standard : {"-std=c99", "-std=c11", "-std=gnu17"})
    EXPECT_TRUE(ended_with(0, compiled(C_COMPILER, "mine.c", "#include <nbdstream/sink.h>\n",
                                       {standard, "-Wstrict-prototypes"})));
  EXPECT_TRUE(ended_with(0, compiled(CXX_COMPILER, "mine.cpp", "#include <nbdstream/sink.h>\n",
                                     {"-std=c++11", "-Wold-style-cast"})));
}

TEST_F(SinkHeaders, CompileInCppWithoutWarningAndRtti) {
  EXPECT_TRUE(ended_with(0, compiled(CXX_COMPILER, "mine.cpp", every_member,
                                     {"-std=c++20", "-fno-rtti", "-Wold-style-cast",
                                      "-Wnon-virtual-dtor", "-Woverloaded-virtual"})));
}

TEST_F(SinkHeaders, NameRequiredCppStandard) {
  const result ended = compiled(CXX_COMPILER, "mine.cpp", every_member, {"-std=c++17"});
  EXPECT_TRUE(mentions(ended.err, "needs C++20"));
}

/// Replaces `what` in every_member by `instead`. The compiler must print `said`.
struct mistake {
  std::string name, what, instead, said;
  friend std::ostream& operator<<(std::ostream& out, const mistake& m) { return out << m.name; }
};

class SinkClassMistake : public SinkHeaders, public ::testing::WithParamInterface<mistake> {};

TEST_P(SinkClassMistake, CompilerNamesRequiredMember) {
  const mistake& m = GetParam();
  std::string content = every_member;
  const auto at = content.find(m.what);
  ASSERT_NE(at, std::string::npos);
  content.replace(at, m.what.size(), m.instead);
  const result ended = compiled(CXX_COMPILER, "mine.cpp", content, {"-std=c++20"});
  EXPECT_NE(ended.status, 0);
  EXPECT_TRUE(mentions(ended.err, m.said));
  EXPECT_EQ(ended.err.find("trampolines"), std::string::npos) << ended.err;
}

INSTANTIATE_TEST_SUITE_P(
    Mistakes, SinkClassMistake,
    ::testing::Values(
        mistake{"no_about", "about{", "abuot{", "a sink needs: static constexpr nbdstream::sink_d"},
        mistake{"no_constructor", "explicit mine(nbdstream::sink_host)", "mine()",
                "a sink needs a public constructor"},
        mistake{"a_throwing_destructor", "~mine()", "~mine() noexcept(false)",
                "a sink's destructor must not throw"},
        mistake{"no_open", "int open(", "int opne(", "int open(const nbdstream_stream&);"},
        mistake{"a_private_commit", "int commit(std::uint64_t) { return 0; }",
                "private: int commit(std::uint64_t) { return 0; } public:",
                "a sink needs, public: int commit(std::uint64_t length);"},
        mistake{"an_open_that_returns_bool", "int open(", "bool open(",
                "int open(const nbdstream_stream&);"},
        mistake{"no_abort", "int abort()", "int abrot()", "a sink needs, public: int abort()"},
        mistake{"a_write_of_pointers", "std::span<const std::byte>) {",
                "const void*, std::size_t) {", "write must be: std::int64_t write("},
        mistake{"a_write_that_returns_size_t", "std::int64_t write", "std::size_t write",
                "write must be: std::int64_t write("},
        mistake{"a_zero_of_nothing", "zero(std::uint64_t)", "zero()", "zero must be: "},
        mistake{"a_flush_that_returns_nothing", "int flush() { return 0; }", "void flush() {}",
                "flush must be: int flush();"},
        mistake{"a_wait_for_of_a_copy", "wait_for(nbdstream_wait&)", "wait_for()",
                "wait_for must be: "},
        mistake{"an_interrupt_that_returns_int", "void interrupt() noexcept {}",
                "int interrupt() { return 0; }", "interrupt must be: "},
        mistake{"options_of_another_type",
                "std::array<nbdstream_option, 1> options{\n      {{\"a\", "
                "NBDSTREAM_OPTION_STRING, 0, nullptr, \"help\"}}};",
                "int options = 1;", "options must be: "}));

}  // namespace
}  // namespace nbdstream::test

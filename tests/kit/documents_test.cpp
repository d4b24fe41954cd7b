// SPDX-License-Identifier: BSD-3-Clause
//
// What an installation brings for people: documents, manual pages, examples; and the version by
// which an author of a sink finds it.
#include "kit_test.hpp"

#include <regex>

namespace nbdstream::test {
namespace {

namespace fs = std::filesystem;

/// All of it, as `cmake --install` without a component does.
class InstalledDocuments : public kit_test {
 protected:
  InstalledDocuments() { run({CMAKE_PROGRAM, "--install", NBDSTREAM_BUILD, "--prefix", prefix}); }

  const fs::path documents_ = prefix + "/share/doc/nbdstream";
};

TEST_F(InstalledDocuments, HaveNoDeadLinks) {
  const std::regex link(R"link(\]\(([^)#:]+)(#[^)]*)?\)|src="([^":]+)")link");
  int links = 0;
  for (const auto& entry : fs::recursive_directory_iterator(prefix + "/share/doc")) {
    if (entry.path().extension() != ".md") continue;
    const auto text = read_file(entry.path());
    for (std::sregex_iterator it(text.begin(), text.end(), link), end; it != end; ++it, ++links) {
      const auto target = (*it)[1].matched ? (*it)[1].str() : (*it)[3].str();
      EXPECT_TRUE(fs::exists(entry.path().parent_path() / target)) << entry << ": " << target;
    }
  }
  EXPECT_GT(links, 20);
}

TEST_F(InstalledDocuments, AreTheReadmeTheGuideAndTheManualForAuthorsOfSinks) {
  EXPECT_TRUE(fs::exists(documents_ / "README.md"));
  EXPECT_TRUE(fs::exists(documents_ / "guide/README.md"));
  const auto manual = read_file(prefix + "/share/doc/nbdstream-dev/README.md");
  EXPECT_TRUE(mentions(manual, "(../nbdstream/examples/sinks/template.c)"));
  EXPECT_TRUE(mentions(manual, "(../../../include/nbdstream/sink.h)"));
}

TEST_F(InstalledDocuments, HaveAPageForTheProgramItsFileAndEachSink) {
  for (const char* page : {"man1/nbdstream.1", "man3/nbdstream-sink.3", "man5/nbdstream.toml.5",
                           "man7/nbdstream-fifo.7", "man7/nbdstream-s3.7"})
    EXPECT_TRUE(fs::exists(prefix + "/share/man/" + page + ".gz")) << page;
}

TEST_F(InstalledDocuments, HaveTheTemplatesAndProgramsAsExamples) {
  for (const char* file : {"template.c", "template.cpp", "template.rs", "CMakeLists.txt"})
    EXPECT_TRUE(fs::exists(documents_ / "examples/sinks" / file)) << file;
  EXPECT_TRUE(fs::exists(documents_ / "examples/backup.env"));
  const auto program = fs::status(documents_ / "examples/qemu-incremental-backup");
  EXPECT_NE(program.permissions() & fs::perms::owner_exec, fs::perms::none);
}

TEST_F(InstalledDocuments, HaveAnExampleOfAConfigurationThatIsValid) {
  const auto shown = run({prefix + "/bin/nbdstream", "--config",
                          prefix + "/etc/nbdstream/example.toml", "--dump-config"});
  EXPECT_TRUE(mentions(shown, "name = \"vm1\""));
  EXPECT_TRUE(mentions(shown, "module = \"file\""));
}

/// Each line of the example that begins with '#' and is no sentence.
TEST_F(InstalledDocuments, HaveAnExampleWhoseOtherSettingsAreValid) {
  const auto example = read_file(prefix + "/etc/nbdstream/example.toml");
  const auto all = std::regex_replace(example, std::regex(R"(\n#([a-z0-9-]+ = ))"), "\n$1");
  const auto upto = all.find("# Instead of the file");
  ASSERT_NE(upto, all.npos);
  write_file(path("all.toml"), all.substr(0, upto));
  const auto shown =
      run({prefix + "/bin/nbdstream", "--config", path("all.toml"), "--dump-config"});
  for (const char* key : {"tls = \"require\"", "metrics = ", "compress = ", "size = \"40G\""})
    EXPECT_TRUE(mentions(shown, key));
}

class KitVersion : public kit_test {
 protected:
  KitVersion() { install(); }
};

TEST_F(KitVersion, OfCMakeIsThatOfTheAbi) {
  write_file(path("CMakeLists.txt"), R"(
cmake_minimum_required(VERSION 3.16)
project(versions LANGUAGES NONE)
find_package(nbdstream 1.1 REQUIRED)
foreach(other 0.1 1.99 2.0)
  find_package(nbdstream ${other} QUIET)
  if(nbdstream_FOUND)
    message(FATAL_ERROR "${other} is found")
  endif()
endforeach()
)");
  run({CMAKE_PROGRAM, "-S", path("."), "-B", path("build"), "-DCMAKE_PREFIX_PATH=" + prefix});
}

TEST_F(KitVersion, OfPkgConfigIsThatOfTheAbi) {
  run_shell(
      "pkg-config --atleast-version=1.1 nbdstream && pkg-config --max-version=1.99 nbdstream");
}

}  // namespace
}  // namespace nbdstream::test

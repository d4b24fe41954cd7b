// SPDX-License-Identifier: BSD-3-Clause
//
// The installation: its content, and that it works in any directory.
#include "kit_test.hpp"

#include <algorithm>

namespace nbdstream::test {
namespace {

class Installation : public kit_test {
 protected:
  Installation() { install(); }

  /// Expects that `--list-sinks` lists each built-in sink with a file in `directory`.
  void expect_sinks_in(const std::string& program, const std::string& directory) const {
    const std::string list = run({program, "--list-sinks"});
    for (const auto& built :
         std::filesystem::directory_iterator(NBDSTREAM_BUILD "/" NBDSTREAM_SINK_SUBDIR))
      EXPECT_TRUE(mentions(list, directory + "/" + built.path().filename().string()));
  }
};

TEST_F(Installation, ProgramFindsInstalledSinks) {
  expect_sinks_in(prefix + "/bin/nbdstream", sinks);
  make_disk(4 * MiB);
  EXPECT_EQ(run({prefix + "/bin/nbdstream", "--sink", "stdout", "--run", convert}),
            read_file(path("in.raw")));
}

TEST_F(Installation, ProgramFindsSubcommands) {
  make_disk(4 * MiB);
  (void)run({prefix + "/bin/nbdstream", "--format", "rbd-diff", "--size", "4M", "--sink",
             "file:out.diff", "--run", convert});
  EXPECT_EQ(run({prefix + "/bin/nbdstream", "cat", "out.diff"}), read_file(path("in.raw")));
}

TEST_F(Installation, LinkToProgramFindsSinks) {
  std::filesystem::create_symlink(prefix + "/bin/nbdstream", path("link"));
  expect_sinks_in("./link", sinks);
}

TEST_F(Installation, WorksAfterMove) {
  std::filesystem::rename(prefix, path("moved"));
  prefix = path("moved");
  const std::string moved = prefix + "/" NBDSTREAM_SINK_SUBDIR;
  expect_sinks_in(prefix + "/bin/nbdstream", moved);
  EXPECT_EQ(std::filesystem::canonical(
                run_shell("printf %s \"$(pkg-config --variable=sinkdir nbdstream)\"")),
            std::filesystem::canonical(moved));
}

TEST_F(Installation, BackupUnitsRunInstalledProgram) {
  const std::string units = prefix + "/lib/systemd/system/nbdstream-backup";
  EXPECT_TRUE(
      mentions(read_file(units + "@.service"), "\nExecStart=" + prefix + "/bin/nbdstream "));
  EXPECT_TRUE(std::filesystem::exists(units + "@.timer"));
  EXPECT_TRUE(std::filesystem::exists(units + ".slice"));
}

TEST_F(Installation, ModulesExportOnlyEntryPoints) {
  for (const auto& module : std::filesystem::directory_iterator(sinks)) {
    const bool reads = module.path().stem() == "s3";
    const std::string source = reads ? "nbdstream_source_v1\n" : "";
    EXPECT_EQ(symbols_of(module.path()), "nbdstream_sink_v1\n" + source) << module.path();
  }
}

}  // namespace
}  // namespace nbdstream::test

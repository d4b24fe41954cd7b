// SPDX-License-Identifier: BSD-3-Clause
//
// The installation: what is in it, and that it works wherever it stands.
#include "kit_test.hpp"

#include <algorithm>

namespace nbdstream::test {
namespace {

class installation : public kit_test {
 protected:
  installation() { install(); }

  /// `--list-sinks` has each sink of the tree, and names a file in `directory`.
  void expect_sinks_in(const std::string& program, const std::string& directory) const {
    const std::string list = run({program, "--list-sinks"});
    for (const auto& built :
         std::filesystem::directory_iterator(NBDSTREAM_BUILD "/" NBDSTREAM_SINK_SUBDIR))
      EXPECT_TRUE(mentions(list, directory + "/" + built.path().filename().string()));
  }
};

TEST_F(installation, has_a_program_that_finds_its_own_sinks) {
  expect_sinks_in(prefix + "/bin/nbdstream", sinks);
  make_disk(4 * MiB);
  EXPECT_EQ(run({prefix + "/bin/nbdstream", "--sink", "stdout", "--run", convert}),
            read_file(path("in.raw")));
}

TEST_F(installation, has_a_program_that_finds_its_subcommands) {
  make_disk(4 * MiB);
  (void)run({prefix + "/bin/nbdstream", "--format", "rbd-diff", "--size", "4M", "--sink",
             "file:out.diff", "--run", convert});
  EXPECT_EQ(run({prefix + "/bin/nbdstream", "cat", "out.diff"}), read_file(path("in.raw")));
}

TEST_F(installation, is_found_from_a_link_to_the_program) {
  std::filesystem::create_symlink(prefix + "/bin/nbdstream", path("link"));
  expect_sinks_in("./link", sinks);
}

TEST_F(installation, may_be_moved) {
  std::filesystem::rename(prefix, path("moved"));
  prefix = path("moved");
  const std::string moved = prefix + "/" NBDSTREAM_SINK_SUBDIR;
  expect_sinks_in(prefix + "/bin/nbdstream", moved);
  EXPECT_EQ(std::filesystem::canonical(
                run_shell("printf %s \"$(pkg-config --variable=sinkdir nbdstream)\"")),
            std::filesystem::canonical(moved));
}

TEST_F(installation, HasTheUnitsOfANightlyBackupThatRunTheInstalledProgram) {
  const std::string units = prefix + "/lib/systemd/system/nbdstream-backup";
  EXPECT_TRUE(
      mentions(read_file(units + "@.service"), "\nExecStart=" + prefix + "/bin/nbdstream "));
  EXPECT_TRUE(std::filesystem::exists(units + "@.timer"));
  EXPECT_TRUE(std::filesystem::exists(units + ".slice"));
}

TEST_F(installation, has_modules_that_export_their_entry_points_alone) {
  for (const auto& module : std::filesystem::directory_iterator(sinks)) {
    const bool reads = module.path().stem() == "s3";
    const std::string source = reads ? "nbdstream_source_v1\n" : "";
    EXPECT_EQ(symbols_of(module.path()), "nbdstream_sink_v1\n" + source) << module.path();
  }
}

}  // namespace
}  // namespace nbdstream::test

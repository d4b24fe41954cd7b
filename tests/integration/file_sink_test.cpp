// SPDX-License-Identifier: BSD-3-Clause
//
// The sink `file` with real clients: what is at the path, and when, and that nothing else is left.
#include "support/integration_test.hpp"

#include <sys/stat.h>

#include <set>

namespace nbdstream::test {
namespace {

using names = std::set<std::string>;

class FileSink : public integration_test {
 protected:
  FileSink() { std::filesystem::create_directory(path("out")); }

  /// What is in the directory of the file, temporaries included.
  [[nodiscard]] names there_are() const {
    names found;
    for (const auto& entry : std::filesystem::directory_iterator(path("out")))
      found.insert(entry.path().filename());
    return found;
  }

  struct stat about(const std::string& name) const {
    struct stat info {};
    checked(::lstat(path(name).c_str(), &info), "lstat " + name);
    return info;
  }

  /// The arguments for `command`, whose stream goes to out/disk.raw.
  [[nodiscard]] static arguments into_file(const std::string& command, const arguments& more = {}) {
    arguments args{"--sink", "file:out/disk.raw", "--run", command};
    args.insert(args.end(), more.begin(), more.end());
    return args;
  }
};

TEST_F(FileSink, HoldsTheImageWithItsHoles) {
  make_disk(64 * MiB);
  EXPECT_TRUE(ended_with(0, nbdstream(into_file(convert))));
  EXPECT_TRUE(same_content(path("out/disk.raw"), path("in.raw")));
  EXPECT_LE(about("out/disk.raw").st_blocks, about("in.raw").st_blocks + 64);
  EXPECT_LT(about("out/disk.raw").st_blocks * 512, about("out/disk.raw").st_size);
  EXPECT_EQ(there_are(), names{"disk.raw"});
}

/// Large writes are spliced, small ones come together in one call, what was ahead comes from
/// memory, from the spill file, or altogether from there: each moves the file's offset on.
TEST_F(FileSink, HoldsTheImageForEachTransport) {
  make_disk(16 * MiB);
  const std::string out_of_order = R"(qemu-img convert -n -W -m 16 in.qcow2 -O raw "$uri")";
  const std::string small = R"(nbdcopy --synchronous --request-size=4096 in.raw "$uri")";
  const std::vector<std::pair<std::string, arguments>> ways{
      {convert, {"--data-path", "copy"}},
      {out_of_order, {"--order", "window"}},
      {out_of_order, {"--order", "spill", "--window", "1M"}},
      {out_of_order, {"--order", "spool"}},
      {small, {}},
      {R"(nbdcopy --connections=4 in.raw "$uri")", {"--order", "spill"}}};
  for (const auto& [command, more] : ways) {
    EXPECT_TRUE(ended_with(0, nbdstream(into_file(command, more))));
    EXPECT_TRUE(same_content(path("out/disk.raw"), path("in.raw"))) << command << more[0];
    std::filesystem::remove(path("out/disk.raw"));
  }
}

TEST_F(FileSink, ZeroesAreHolesWithoutSize) {
  const std::string script =
      "h.pwrite(b'a', 0); h.zero(1 << 30, 1); h.pwrite(b'z', (1 << 30) + 1);"
      "h.zero(12345, (1 << 30) + 2)";
  EXPECT_TRUE(ended_with(0, nbdstream(into_file(client_command(script)))));
  EXPECT_EQ(about("out/disk.raw").st_size, (1 << 30) + 2 + 12345);
  EXPECT_LT(about("out/disk.raw").st_blocks, 256);
}

TEST_F(FileSink, KilledClientLeavesNoFile) {
  process server = start_listening({"--sink", "file:out/disk.raw"});
  process writer = start_client("send(b'x' * 200000); touch('sent'); stay()");
  wait_for("sent");
  EXPECT_EQ(there_are().size(), 1U);
  EXPECT_FALSE(std::filesystem::exists(path("out/disk.raw")));
  writer.signal(SIGKILL);
  EXPECT_TRUE(ended_with(1, server.wait()));
  EXPECT_EQ(there_are(), names{});
}

TEST_F(FileSink, ExistingFileIsRefusedWithoutOverwrite) {
  write_file(path("out/disk.raw"), "old");
  const result refused = nbdstream({"--sink", "file:out/disk.raw", "-U", "sock", "--size", "1M"});
  EXPECT_TRUE(ended_with(2, refused));
  EXPECT_TRUE(mentions(refused.err, "overwrite"));
  EXPECT_EQ(std::count(refused.err.begin(), refused.err.end(), '\n'), 1) << refused.err;
  EXPECT_FALSE(std::filesystem::exists(path("sock")));
  EXPECT_TRUE(holds(path("out/disk.raw"), "old"));
  const std::string script = "send(b'new'); assert file('out/disk.raw') == b'old'";
  const auto replacing = into_file(client_command(script), {"-o", "overwrite=true"});
  EXPECT_TRUE(ended_with(0, nbdstream(replacing)));
  EXPECT_TRUE(holds(path("out/disk.raw"), "new"));
  EXPECT_EQ(there_are(), names{"disk.raw"});
}

TEST_F(FileSink, FileThatAppearedIsKeptAndTheCompleteOneStaysBesideIt) {
  const std::string script = "send(b'new'); open('out/disk.raw', 'w').write('precious')";
  const result ended = nbdstream(into_file(client_command(script)));
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "out/disk.raw has appeared meanwhile"));
  EXPECT_TRUE(holds(path("out/disk.raw"), "precious"));
  names others = there_are();
  EXPECT_EQ(others.erase("disk.raw"), 1U);
  ASSERT_EQ(others.size(), 1U);
  const std::string kept = "out/" + *others.begin();
  EXPECT_TRUE(mentions(ended.err, "the complete file is kept as " + kept));
  EXPECT_TRUE(holds(path(kept), "new"));
}

TEST_F(FileSink, OverwriteKeepsTheLastOfSeveralStreams) {
  process server =
      start_listening({"--sink", "file:out/disk.raw", "-o", "overwrite=true", "--streams", "3"});
  for (const char* data : {"first", "second", "third"})
    EXPECT_TRUE(ended_with(0, client("h.pwrite(b'" + std::string(data) + "', 0); h.shutdown()")));
  EXPECT_TRUE(ended_with(0, server.wait()));
  EXPECT_TRUE(holds(path("out/disk.raw"), "third"));
  EXPECT_EQ(there_are(), names{"disk.raw"});
}

TEST_F(FileSink, RequiresAPath) {
  const result ended = nbdstream({"--sink", "file", "-U", "sock"});
  EXPECT_TRUE(ended_with(2, ended));
  EXPECT_TRUE(mentions(ended.err, "path"));
}

}  // namespace
}  // namespace nbdstream::test

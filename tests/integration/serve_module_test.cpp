// SPDX-License-Identifier: BSD-3-Clause
//
// nbdstream serve SCHEME://...: a module with the table of source.h reads the disk. The module
// `source` of these tests was built with the published header.
#include "support/integration_test.hpp"

#include <algorithm>

namespace nbdstream::test {
namespace {

class ServeModule : public integration_test {
 protected:
  /// Starts `nbdstream serve`, which finds the modules of the tests by their names.
  [[nodiscard]] process start_serve(const arguments& args) const {
    process::options how;
    how.environment = {"NBDSTREAM_SINK_PATH=" + test_modules};
    arguments all{"serve"};
    all.insert(all.end(), args.begin(), args.end());
    return start_nbdstream(all, how);
  }
  result serve(const arguments& args) const { return start_serve(args).wait(); }

  /// The one line of log that refuses these arguments.
  std::string refusal(arguments args) const {
    args.insert(args.end(), {"--run", "touch ran"});
    const result ended = serve(args);
    EXPECT_TRUE(ended_with(2, ended));
    EXPECT_EQ(std::count(ended.err.begin(), ended.err.end(), '\n'), 1) << ended.err;
    EXPECT_FALSE(std::filesystem::exists(path("ran")));
    return ended.err;
  }
};

TEST_F(ServeModule, SchemeSelectsModuleThatReadsDisk) {
  make_raw(path("in.raw"), 3 * MiB);
  for (const char* block : {"block=0", "block=4k", "block=1M"}) {
    const result ended = serve({"source://in.raw", "-o", block, "--run",
                                R"(nbdcopy -C 4 "$uri" out.raw && cmp in.raw out.raw)"});
    EXPECT_TRUE(ended_with(0, ended)) << block;
    EXPECT_TRUE(mentions(ended.err, "a file of 3145728 bytes"));
  }
}

TEST_F(ServeModule, MayFailReadAndExplainWhy) {
  make_raw(path("in.raw"), 3 * MiB);
  for (const char* block : {"block=0", "block=4k"}) {
    const std::string script = R"(
h.pread(512, 1 << 20)
fails_with(errno.EIO, h.pread, 512, 2 << 20)
h.pread(512, (2 << 20) + 8192)
)";
    const result ended = serve(
        {"source://in.raw", "-o", "fail-at=2M", "-o", block, "--run", client_command(script)});
    EXPECT_TRUE(ended_with(0, ended));
    EXPECT_TRUE(mentions(ended.err, "error: this module was told to fail"));
  }
}

TEST_F(ServeModule, IsInterruptedBySigterm) {
  make_raw(path("in.raw"), 3 * MiB);
  process server = start_serve(
      {"source://in.raw", "-o", "hang=true", "-U", "sock", "-P", "pid", "--grace", "1m"});
  wait_for("pid");
  process reader = start_client("h.pread(512, 1 << 20)");
  EXPECT_TRUE(eventually([&] { return server.err().find("hangs") != std::string::npos; }));
  server.signal(SIGTERM);
  EXPECT_TRUE(ended_with(0, server.wait()));
  EXPECT_NE(reader.wait().status, 0);
}

TEST_F(ServeModule, MayRefuseToOpenAndExplainWhy) {
  write_file(path("one"), "x");
  EXPECT_TRUE(
      mentions(refusal({"source://one"}), "error: this module reads no file of one byte\n"));
  EXPECT_TRUE(mentions(refusal({"source://none"}), "source://none: No such file or directory"));
}

TEST_F(ServeModule, MissingModuleIsNamedWithItsPackage) {
  EXPECT_TRUE(mentions(refusal({"s4://bucket/key"}), "package nbdstream-sink-s4"));
}

TEST_F(ServeModule, WriteOnlyModuleIsRefused) {
  EXPECT_TRUE(mentions(refusal({"fifo://x"}), "fifo.so can only be written to"));
}

TEST_F(ServeModule, TooShortTableIsRefused) {
  EXPECT_TRUE(mentions(refusal({"shortsource://x"}), "too short"));
}

TEST_F(ServeModule, PositiveResultIsFailure) {
  EXPECT_TRUE(mentions(refusal({"oddsource://open"}),
                       R"(oddsource://open: the module "oddsource" broke the contract: open )"
                       "returned 13, which is neither 0 nor -errno"));
  const std::string script = R"(
assert h.pread(512, 0) == b'm' * 512
fails_with(errno.EIO, h.pread, 512, 65536)
)";
  const result ended = serve({"oddsource://read", "--run", client_command(script)});
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_TRUE(mentions(ended.err, "read returned 5, which is neither 0 nor -errno"));
}

TEST_F(ServeModule, ImpossibleSizeIsRefused) {
  EXPECT_TRUE(mentions(refusal({"oddsource://size"}), "tells a size of 9223372036854775808 bytes"));
}

TEST_F(ServeModule, EmptySourceIsNotRead) {
  EXPECT_TRUE(ended_with(0, serve({"oddsource://empty", "--run", "true"})));
}

TEST_F(ServeModule, UnknownSettingIsRefused) {
  make_raw(path("in.raw"), 1 * MiB);
  EXPECT_TRUE(mentions(refusal({"source://in.raw", "-o", "part-size=5M"}),
                       R"(the source source has no setting "part-size"; it has url, block)"));
  EXPECT_TRUE(mentions(refusal({"source://in.raw", "-o", "hang=perhaps"}), "hang"));
  EXPECT_TRUE(mentions(refusal({"in.raw", "-o", "block=4k"}), "a file has no settings"));
}

}  // namespace
}  // namespace nbdstream::test

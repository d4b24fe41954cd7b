// SPDX-License-Identifier: BSD-3-Clause
//
// How nbdstream treats the options that sinks declare: exclusive paths, modes and secrets.
#include "support/integration_test.hpp"

#include <sys/stat.h>

namespace nbdstream::test {
namespace {

class SinkSettings : public integration_test {
 protected:
  /// A configuration with the exports a and b, each with a sink of its own.
  void configure(const std::string& first, const std::string& second) const {
    write_file(path("two.toml"),
               "[server]\nlisten = \"unix:sock\"\n[[export]]\nname = \"a\"\n"
               "[export.sink]\n" +
                   first + "\n[[export]]\nname = \"b\"\n[export.sink]\n" + second + "\n");
  }

  /// The one line that refuses these arguments before anything is created.
  [[nodiscard]] std::string refusal(const arguments& args) const {
    const result ended = nbdstream(args);
    EXPECT_TRUE(ended_with(2, ended));
    EXPECT_EQ(std::count(ended.err.begin(), ended.err.end(), '\n'), 1) << ended.err;
    EXPECT_FALSE(std::filesystem::exists(path("sock")));
    return ended.err;
  }
  [[nodiscard]] std::string refusal(const std::string& first, const std::string& second) const {
    configure(first, second);
    return refusal({"--config", "two.toml"});
  }

  void expect_served(const std::string& first, const std::string& second) const {
    configure(first, second);
    process server = start_nbdstream({"--config", "two.toml", "--pidfile", "ready"});
    wait_for("ready");
    server.signal(SIGTERM);
    EXPECT_NE(server.wait().status, 2);
    std::filesystem::remove(path("ready"));
  }

  /// Builds the sink of the template with other flags for its option `path`.
  void build_template(const std::string& flags) const {
    const std::string source = source_directory + "/sinks/template/template.c";
    EXPECT_TRUE(
        ended_with(0, start_shell("sed 's/NBDSTREAM_OPTION_EXCLUSIVE_PATH/" + flags + "/' " +
                                  source + " > mine.c && cc -std=c11 -shared -fPIC -I " +
                                  source_directory + "/core/include -o mine.so mine.c")
                          .wait()));
  }
};

TEST_F(SinkSettings, TwoExportsMayNotShareFile) {
  for (const std::string module : {"fifo", "file"}) {
    const std::string one = "module = \"" + module + "\"\npath = \"output\"";
    const std::string same = "module = \"" + module + "\"\npath = \"./output\"";
    EXPECT_TRUE(mentions(refusal(one, same), "\"a\" and \"b\" both write to"));
  }
  EXPECT_TRUE(mentions(
      refusal("module = \"fifo\"\npath = \"output\"", "module = \"file\"\npath = \"output\""),
      path("output").string()));
}

TEST_F(SinkSettings, TwoExportsMayShareDeviceOrListeningSocket) {
  const listener server = listener::unix_socket(path("there"));
  expect_served("path = \"/dev/zero\"", "path = \"/dev/zero\"");
  expect_served("path = \"there\"", "path = \"there\"");
}

TEST_F(SinkSettings, TwoExportsMayShareCommand) {
  write_file(path("store"), "");
  for (const std::string command : {"cat > /dev/null", "store"}) {
    const std::string exec = "module = \"exec\"\ncommand = \"" + command + "\"";
    expect_served(exec, exec);
  }
}

TEST_F(SinkSettings, TwoExportsMayShareSocketWithoutListener) {
  const std::string later = "module = \"socket\"\naddress = \"later\"";
  expect_served(later, later);
}

TEST_F(SinkSettings, SecretIsHiddenInErrors) {
  build_template("NBDSTREAM_OPTION_EXCLUSIVE_PATH | NBDSTREAM_OPTION_SECRET");
  const std::string hidden = "module = \"./mine.so\"\npath = \"hidden\"";
  const std::string said = refusal(hidden, hidden);
  EXPECT_TRUE(mentions(said, "\"a\" and \"b\" both write to the same path"));
  EXPECT_FALSE(mentions(said, "hidden"));
}

TEST_F(SinkSettings, MisspeltSecretIsHiddenByDumpConfig) {
  build_template("NBDSTREAM_OPTION_SECRET");
  const result ended =
      nbdstream({"--dump-config", "--sink", "./mine.so:x", "-o", "paht=hidden", "-U", "sock"});
  EXPECT_TRUE(ended_with(2, ended));
  EXPECT_FALSE(mentions(ended.out + ended.err, "hidden"));
}

TEST_F(SinkSettings, ModeInConfigFileMustBeString) {
  const std::string module = "module = \"file\"\npath = \"disk.raw\"\nmode = ";
  const std::string other = "path = \"output\"";
  const std::string octal = refusal(module + "0o640", other);
  EXPECT_TRUE(mentions(octal, "two.toml:8:"));
  EXPECT_TRUE(mentions(octal, "write it in quotes, as in \"0640\""));
  EXPECT_TRUE(mentions(refusal(module + "640", other), "write it in quotes, as in \"0640\""));
  EXPECT_TRUE(mentions(refusal(module + "\"0888\"", other), "octal digits"));
  expect_served(module + "\"0640\"", other);
}

TEST_F(SinkSettings, DumpSinkShowsModeType) {
  const result ended = nbdstream({"--dump-sink", "file"});
  EXPECT_TRUE(mentions(ended.out, "option=mode type=mode "));
  EXPECT_TRUE(mentions(ended.out, "exclusive_path=yes"));
}

TEST_F(SinkSettings, TemplateAppliesMode) {
  build_template("NBDSTREAM_OPTION_EXCLUSIVE_PATH");
  EXPECT_TRUE(ended_with(0, nbdstream({"--sink", "./mine.so:out.raw", "-o", "mode=0600", "--run",
                                       client_command("h.pwrite(b'x', 0)")})));
  struct stat status {};
  ASSERT_EQ(::stat(path("out.raw").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600U);
}

}  // namespace
}  // namespace nbdstream::test

// SPDX-License-Identifier: BSD-3-Clause
//
// The examples of the manual pages, verbatim: each configuration is loaded, and each command is run
// unless it needs another machine or an account.
#include "support/diff_stream.hpp"
#include "support/integration_test.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <fstream>
#include <utility>

namespace nbdstream::test {
namespace {

/// The text between two lines of ``` in the source of a page.
struct example {
  std::string page;  ///< nbdstream-file.7
  int number = 0;    ///< on that page, from 1
  std::string text;
};

std::ostream& operator<<(std::ostream& out, const example& e) {
  return out << e.page << ", example " << e.number;
}

/// In scdoc(5), a backslash escapes the next character.
std::string unescaped(const std::string& line) {
  std::string text;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\\' && i + 1 < line.size()) ++i;
    text += line[i];
  }
  return text;
}

/// Reads the sources that scdoc gets, which contain output of the program.
std::vector<example> examples_of(const std::string& page) {
  std::vector<example> found;
  std::ifstream source(NBDSTREAM_BUILD "/doc/man/" + page + ".scd");
  bool inside = false;
  for (std::string line; std::getline(source, line);) {
    if (line == "```") {
      inside = !inside;
      if (inside) found.push_back({page, static_cast<int>(found.size()) + 1, {}});
    } else if (inside) {
      found.back().text += unescaped(line) + '\n';
    }
  }
  return found;
}

std::vector<example> all_examples() {
  std::vector<example> all;
  for (const auto& entry : std::filesystem::directory_iterator(NBDSTREAM_SOURCE "/doc/man")) {
    if (entry.path().extension() != ".scd") continue;
    const auto more = examples_of(entry.path().stem());
    all.insert(all.end(), more.begin(), more.end());
  }
  return all;
}

/// An example that cannot run here. `piece` is text that only this example has.
struct exemption {
  const char* page;
  const char* piece;
  const char* why;
};
constexpr std::array exemptions{
    exemption{"nbdstream.1", "backup.example", "a receiver on another machine"},
    exemption{"nbdstream.1", "-U /run/nbd.sock | zstd", "a virtual machine that is backed up"},
    exemption{"nbdstream.1", "--streams 0 -p 10809", "serves clients from elsewhere, for ever"},
    exemption{"nbdstream.1", "systemctl enable", "systemd as the first process"},
    exemption{"nbdstream.1", "[Service]", "a piece of a unit of systemd"},
    exemption{"nbdstream-exec.7", "ssh host", "another machine"},
    exemption{"nbdstream-socket.7", "socat", "one half; the case below runs both"},
    exemption{"nbdstream-socket.7", "[2001:db8::1]", "the other half"},
    exemption{"nbdstream-s3.7", "put-bucket-lifecycle", "an account of AWS"},
    exemption{"nbdstream-s3.7", "eu-central-1", "an account of AWS"},
    exemption{"nbdstream-s3.7", "--size 40G", "another machine; s3_upload_test does the same here"},
    exemption{"nbdstream-serve.1", "debugfs", "an account of AWS, and FUSE"},
    exemption{"nbdstream-serve.1", "qemu-system-x86_64", "an account of AWS"},
    exemption{"nbdstream-serve.1", "vm1.monday", "backups of two days; serve_test has others"},
    exemption{"nbdstream-sink.3", "#include", "a declaration in C"},
    exemption{"nbdstream-sink.3", "create > open", "a drawing"},
    exemption{"nbdstream-sink.3", "find_package", "CMake; the tests of the kit run it"},
};

bool is_about(const exemption& each, const example& what) {
  return what.page == each.page && what.text.find(each.piece) != std::string::npos;
}

bool is_exempt(const example& what) {
  return std::ranges::any_of(exemptions, [&](const auto& each) { return is_about(each, what); });
}

bool is_toml(const example& what) {
  return what.text.starts_with('[') && !is_exempt(what);
}

std::vector<example> only(bool (*wanted)(const example&)) {
  std::vector<example> all = all_examples();
  std::erase_if(all, [&](const auto& each) { return !wanted(each); });
  return all;
}

std::string name_of(const ::testing::TestParamInfo<example>& each) {
  std::string name = each.param.page + "_" + std::to_string(each.param.number);
  std::ranges::replace_if(
      name, [](char c) { return !std::isalnum(c); }, '_');
  return name;
}

class ManualExamples : public integration_test {
 protected:
  /// Creates what the examples expect: the disk, an older copy in `remote`, and two diffs.
  void set_up() const {
    make_disk();
    std::filesystem::copy_file(path("in.raw"), path("backup.raw"));
    std::filesystem::create_directory(path("remote"));
    write_file(path("remote/disk.raw"), "yesterday's");
    make_diffs();
    write_file(path("before.sh"),
               "set -e\n"
               "export RESTIC_REPOSITORY=repository RESTIC_PASSWORD=secret XDG_CACHE_HOME=$PWD\n"
               "export RCLONE_CONFIG= RCLONE_CONFIG_REMOTE_TYPE=alias\n"
               "export RCLONE_CONFIG_REMOTE_REMOTE=$PWD/remote\n");
  }

  /// Makes a full diff of the disk and an incremental one. after.raw is the disk after both.
  void make_diffs() const {
    const auto disk = read_file(path("in.raw"));
    const auto full = diff_stream({std::nullopt, "sunday", disk.size()}).data(0, disk);
    auto monday = diff_stream({"sunday", "monday", disk.size()}, disk);
    monday.data(5 * MiB, pattern(MiB, 4)).zeroes(MiB, 4096);
    write_file(path("full"), full.whole());
    write_file(path("monday"), monday.whole());
    write_file(path("after.raw"), monday.disk());
  }

  result run(const std::string& script) const {
    write_file(path("example.sh"), ". ./before.sh\n" + script);
    return start({"bash", "example.sh"}).wait();
  }
};

class ManualConfiguration : public ManualExamples, public ::testing::WithParamInterface<example> {};

TEST_P(ManualConfiguration, ExampleLoads) {
  write_file(path("example.toml"), GetParam().text);
  EXPECT_TRUE(ended_with(0, nbdstream({"--config", "example.toml", "--dump-config"})));
}

INSTANTIATE_TEST_SUITE_P(Pages, ManualConfiguration, ::testing::ValuesIn(only(is_toml)), name_of);

class ManualCommand : public ManualExamples, public ::testing::WithParamInterface<example> {};

bool is_command(const example& what) {
  return !is_toml(what) && !is_exempt(what);
}

/// The commands that must run before this example.
std::string preparation_for(const example& what) {
  const auto has = [&](const char* piece) { return what.text.find(piece) != std::string::npos; };
  std::string script;
  if (has("fifo:output") && has("--run") && !has("mkfifo"))
    script += "mkfifo output; cat output > out.raw &\n";
  if (has("restic")) script += "restic -q init\n";
  if (has("monday.gz")) script += "gzip full monday\n";
  if (has("mine.so"))
    script += "cc -std=c11 -shared -fPIC -I " NBDSTREAM_SOURCE
              "/core/include -o mine.so " NBDSTREAM_SOURCE "/sinks/template/template.c\n";
  return script;
}

/// For text in an example, the command that checks its result: a copy equals the disk.
constexpr std::array<std::pair<const char*, const char*>, 9> checks{{
    {"fifo:output --run", "cmp out.raw in.raw"},
    {"fifo:output -o", "cmp out.raw in.raw"},
    {"file:disk.raw", "cmp disk.raw in.raw"},
    {"file:vm1.raw", "cmp vm1.raw in.raw"},
    {"restored.raw", "cmp restored.raw after.raw"},
    {"copy.raw", "cmp copy.raw after.raw"},
    {".zst", "zstd -qdc *.zst | cmp - in.raw"},
    {"restic", "restic dump -q latest disk.raw | cmp - in.raw"},
    {"rclone", "cmp remote/disk.raw in.raw; [ ! -e remote/part ]"},
}};

TEST_P(ManualCommand, ExampleWorksVerbatim) {
  set_up();
  std::string script = preparation_for(GetParam()) + GetParam().text + "wait\n";
  for (const auto& [piece, check] : checks)
    if (GetParam().text.find(piece) != std::string::npos) script += check + std::string("\n");
  EXPECT_TRUE(ended_with(0, run(script)));
}

INSTANTIATE_TEST_SUITE_P(Pages, ManualCommand, ::testing::ValuesIn(only(is_command)), name_of);

/// The example of `page` that contains `piece`.
example example_with(const std::string& page, const std::string& piece) {
  for (const auto& each : examples_of(page))
    if (each.text.find(piece) != std::string::npos) return each;
  ADD_FAILURE() << page << " has no example with " << piece;
  return {};
}

void replace_all(std::string& text, const std::string& part, const std::string& with) {
  ASSERT_NE(text.find(part), text.npos) << part << " is not in: " << text;
  for (auto at = text.find(part); at != text.npos; at = text.find(part, at + with.size()))
    text.replace(at, part.size(), with);
}

TEST_F(ManualExamples, SocketSenderAndReceiverWorkTogether) {
  set_up();
  std::string receive = example_with("nbdstream-socket.7", "socat").text;
  std::string send = example_with("nbdstream-socket.7", "[2001:db8::1]").text;
  const std::string port = std::to_string(free_port());
  replace_all(receive, "9000", port);
  replace_all(send, "9000", port);
  replace_all(send, "[2001:db8::1]", "[::1]");
  process receiver = start_shell(receive);
  EXPECT_TRUE(eventually([&] {
    return !start({"ss", "-Hltn", "sport = :" + port}).wait().out.empty();
  }));
  EXPECT_TRUE(ended_with(0, run(send)));
  EXPECT_TRUE(ended_with(0, receiver.wait()));
  EXPECT_TRUE(same_content(path("out.raw"), path("in.raw")));
}

/// A stream that breaks off must not replace yesterday's object.
TEST_F(ManualExamples, BrokenStreamKeepsPreviousRcloneObject) {
  set_up();
  std::string script = example_with("nbdstream-exec.7", "rclone rcat").text;
  write_file(path("broken.sh"), convert_broken_source("\"$uri\""));
  replace_all(script, convert, "sh broken.sh");
  EXPECT_TRUE(ended_with(1, run(script)));
  EXPECT_TRUE(holds(path("remote/disk.raw"), "yesterday's"));
}

TEST(ManualExemptions, EachMatchesOneExample) {
  const auto all = all_examples();
  EXPECT_GE(all.size(), 30U);
  for (const auto& each : exemptions)
    EXPECT_EQ(std::ranges::count_if(all, [&](const auto& e) { return is_about(each, e); }), 1)
        << each.page << ": " << each.piece << " (" << each.why << ")";
}

}  // namespace
}  // namespace nbdstream::test

// SPDX-License-Identifier: BSD-3-Clause
//
// The pages of doc/guide. Those about object stores: their commands, run as they stand there, page
// by page in their order, against a server that speaks S3; and what they say of permissions and of
// requests. The recipes of the other pages are run by recipes_test.cpp.
#include "support/markdown.hpp"
#include "support/s3_test.hpp"

#include <regex>

namespace nbdstream::test {
namespace {

const std::string guide = source_directory + "/doc/guide/";

/// Pages whose commands are run here, all of a page as one script.
const std::vector<std::string> pages_with_a_store{"to-s3.md", "from-s3.md", "object-lock.md"};

std::vector<std::string> guide_pages() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(guide))
    names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

class Guide : public s3_test {
 protected:
  /// Runs a script of bash: the programs find the server, and rclone has it as `store:`.
  [[nodiscard]] result run(const std::string& script) const {
    auto how = with_keys(
        {"AWS_ENDPOINT_URL=" + endpoint(), "RCLONE_CONFIG=/dev/null", "RCLONE_CONFIG_STORE_TYPE=s3",
         "RCLONE_CONFIG_STORE_PROVIDER=Other", "RCLONE_CONFIG_STORE_ENV_AUTH=true",
         "RCLONE_CONFIG_STORE_ENDPOINT=" + endpoint(), "RCLONE_CONFIG_STORE_NO_CHECK_BUCKET=true"});
    return start({"bash", "-ec", script}, how).wait();
  }
};

class GuidePage : public Guide, public ::testing::WithParamInterface<std::string> {};

TEST_P(GuidePage, RunsAsItStands) {
  std::string script;
  for (const auto& each : read_blocks(guide + GetParam()))
    if (each.language == "sh") script += each.text;
  const auto port = std::to_string(free_port());
  script = std::regex_replace(script, std::regex("9000"), port);
  // A bucket with Object Lock takes no body without a checksum.
  const bool locked = GetParam() == "object-lock.md";
  start_server(locked ? arguments{"--bucket", "backup", "--checksums"}
                      : arguments{"--bucket", "backup"});
  make_disk();
  EXPECT_TRUE(ended_with(0, run(script)));
  const auto objects = names_in("s3/objects/backup");
  EXPECT_FALSE(objects.empty());
  for (const auto& name : objects) {
    std::string read = name.ends_with(".zst")  ? "zstd -dc"
                       : name.ends_with(".xz") ? "xz -dc"
                                               : "cat";
    read.append(" 's3/objects/backup/").append(name).append("' | cmp - in.raw");
    EXPECT_TRUE(ended_with(0, run("set -o pipefail\n" + read))) << name;
  }
  if (std::filesystem::exists(path("out.raw"))) {
    EXPECT_TRUE(same_content(path("out.raw"), path("in.raw")));
  }
  EXPECT_EQ(open_uploads(), 0U);
}

INSTANTIATE_TEST_SUITE_P(Of, GuidePage, ::testing::ValuesIn(pages_with_a_store),
                         [](const auto& each) {
                           return std::regex_replace(each.param, std::regex("[^a-z0-9]"), "_");
                         });

/// A block of commands that no test runs must say why.
TEST(GuidePages, HaveNoCommandsThatAreNotRunWithoutSayingWhy) {
  const std::set<std::string> other_tests_read{"json", "xml", "toml"};
  const std::set<std::string> run_here(pages_with_a_store.begin(), pages_with_a_store.end());
  for (const auto& page : guide_pages()) {
    for (const auto& each : read_blocks(guide + page)) {
      if (other_tests_read.contains(each.language)) continue;
      if (each.language == "sh") {
        const bool is_recipe = each.section == "Recipes" && !each.heading.empty();
        EXPECT_NE(is_recipe, run_here.contains(page)) << page << ": " << each.text;
      } else {
        EXPECT_TRUE(each.language.empty() && each.before.starts_with(" Not run ") &&
                    each.before.find(": ") != std::string::npos)
            << page << ": " << each.text;
      }
    }
  }
}

TEST_F(Guide, ConfigurationFilesAreAccepted) {
  int files = 0;
  for (const auto& page : guide_pages()) {
    for (const auto& each : read_blocks(guide + page)) {
      if (each.language != "toml") continue;
      ++files;
      write_file(path("page.toml"), each.text);
      EXPECT_TRUE(ended_with(0, nbdstream({"--config", "page.toml", "--dump-config"}))) << page;
    }
  }
  EXPECT_GT(files, 0);
}

/// The program with all string literals that stand behind one another made one.
std::string sources() {
  std::string text;
  for (const std::string part : {"core", "apps", "sinks"}) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(
             std::filesystem::path(source_directory) / part)) {
      const auto extension = entry.path().extension();
      if (extension == ".cpp" || extension == ".hpp") text += read_file(entry.path());
    }
  }
  return std::regex_replace(text, std::regex(R"("\s*\n\s*")"), "");
}

/// A message that was changed must be changed there, too. "…" stands for what a message fills in.
TEST(GuidePages, QuoteMessagesThatTheProgramHas) {
  const std::string program = sources();
  std::istringstream lines(read_file(guide + "troubleshooting.md"));
  const std::regex quoted("### `{1,2} ?(.*?) ?`{1,2}");
  const std::string ellipsis = "…";
  int messages = 0;
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (!std::regex_match(line, match, quoted)) continue;
    ++messages;
    std::string rest = match[1];
    while (!rest.empty()) {
      const auto end = rest.find(ellipsis);
      EXPECT_TRUE(program.find(rest.substr(0, end)) != program.npos)
          << "no \"" << rest.substr(0, end) << "\" of " << line;
      rest = end == rest.npos ? "" : rest.substr(end + ellipsis.size());
    }
  }
  EXPECT_GE(messages, 25);
}

TEST(GuidePages, AreAllInItsTable) {
  const std::string table = read_file(guide + "README.md");
  for (const auto& page : guide_pages()) {
    if (page != "README.md") {
      EXPECT_TRUE(mentions(table, "](" + page + ")"));
    }
  }
}

/// What AWS's reference of actions says that each request needs.
const std::map<std::string, std::string> action_of{
    {"PutObject", "s3:PutObject"},
    {"CreateMultipartUpload", "s3:PutObject"},
    {"UploadPart", "s3:PutObject"},
    {"CompleteMultipartUpload", "s3:PutObject"},
    {"AbortMultipartUpload", "s3:AbortMultipartUpload"},
    {"GetObject", "s3:GetObject"},
    {"HeadObject", "s3:GetObject"}};

/// The operations that the server was asked for, and how often.
std::map<std::string, std::size_t> operations_in(const std::string& log) {
  const std::regex name(R"re("operation": "(\w+)".*"event": "request")re");
  std::map<std::string, std::size_t> found;
  std::istringstream lines(log);
  for (std::string line; std::getline(lines, line);)
    if (std::smatch match; std::regex_search(line, match, name)) ++found[match[1]];
  return found;
}

TEST_F(Guide, PolicyAllowsWhatTheRequestsOfTheSinkNeedAndNoMore) {
  start_server();
  make_disk(12 * MiB);
  EXPECT_TRUE(ended_with(0, upload(to_bucket({}, "long"))));
  EXPECT_TRUE(ended_with(3, upload(to_bucket({}, "aborted"), convert + "; exit 3")));
  make_disk(4 * MiB);
  EXPECT_TRUE(ended_with(0, upload(to_bucket({}, "short"))));
  EXPECT_TRUE(ended_with(0, upload(to_bucket({"overwrite=true"}, "short"))));
  // No request needs s3:ListBucket; but without it a server does not say that there is no object.
  std::set<std::string> needed{"s3:ListBucket"};
  for (const auto& [operation, count] : operations_in(read_file(path("s3/requests")))) {
    ASSERT_TRUE(action_of.contains(operation)) << operation;
    needed.insert(action_of.at(operation));
  }
  std::set<std::string> allowed;
  for (const auto& each : read_blocks(guide + "s3-permissions.md")) {
    if (each.language != "json") continue;
    const std::regex action(R"re("(s3:\w+)")re");
    for (std::sregex_iterator it(each.text.begin(), each.text.end(), action), end; it != end; ++it)
      allowed.insert((*it)[1]);
  }
  EXPECT_EQ(needed, allowed);
}

TEST_F(Guide, SizingCountsTheRequestsOfAStream) {
  start_server();
  make_disk(12 * MiB);
  EXPECT_TRUE(ended_with(0, upload(to_bucket())));
  std::size_t all = 0;
  for (const auto& [operation, count] : operations_in(read_file(path("s3/requests")))) all += count;
  const std::string text = read_file(guide + "sizing.md");
  std::smatch said;
  ASSERT_TRUE(std::regex_search(text, said, std::regex(R"(parts \+ (\d+) requests)")));
  EXPECT_EQ(all, 3 + std::stoul(said[1])) << read_file(path("s3/requests"));
}

}  // namespace
}  // namespace nbdstream::test

// SPDX-License-Identifier: BSD-3-Clause
//
// Completion in bash, called with the words that readline would pass.
#include "support/integration_test.hpp"

#include <algorithm>
#include <regex>
#include <sstream>

namespace nbdstream::test {
namespace {

using words = std::vector<std::string>;

class BashCompletion : public integration_test {
 protected:
  /// Prints the completions of the last word of the line $1. Bash splits COMP_WORDS at ':' and '=',
  /// because COMP_WORDBREAKS contains them.
  static constexpr const char* script = R"(
source /usr/share/bash-completion/bash_completion
source "$NBDSTREAM_SOURCE/packaging/nbdstream.bash"
complete -p nbdstream > /dev/null || exit
COMP_LINE=$1 COMP_POINT=${#1} COMP_TYPE=9 COMP_KEY=9
mapfile -t COMP_WORDS < <(grep -oE '[:=]|[^ :=]+' <<< "$1")
[[ $1 != *[\ :=] ]] || COMP_WORDS+=('')
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_nbdstream nbdstream "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
[ ${#COMPREPLY[@]} -eq 0 ] || printf '%s\n' "${COMPREPLY[@]}"
)";

  words of(const std::string& line) const {
    const result ended = start({"bash", "--norc", "-c", script, "bash", "nbdstream " + line},
                               {.environment = {"NBDSTREAM_SOURCE=" NBDSTREAM_SOURCE}})
                             .wait();
    EXPECT_TRUE(ended_with(0, ended));
    EXPECT_EQ(ended.err, "") << line;
    words found;
    std::istringstream lines(ended.out);
    for (std::string word; std::getline(lines, word);) found.push_back(word);
    std::sort(found.begin(), found.end());
    return found;
  }
};

TEST_F(BashCompletion, OffersTheOptionsThatHelpLists) {
  const std::string help = nbdstream({"--help"}).out;
  const std::regex option("\n  (?:-.,|   ) (--[a-z-]+)");
  words known;
  for (std::sregex_iterator it(help.begin(), help.end(), option), end; it != end; ++it) {
    known.push_back((*it)[1]);
  }
  std::sort(known.begin(), known.end());
  EXPECT_GT(known.size(), 30u);
  EXPECT_EQ(of("--"), known);
  EXPECT_EQ(of("--spill-d"), words({"--spill-directory"}));
}

TEST_F(BashCompletion, OffersSinksAndTheirSettings) {
  words sinks;
  std::istringstream list(nbdstream({"--list-sinks"}).out);
  for (std::string line; std::getline(list, line);)
    sinks.push_back(line.substr(0, line.find('\t')));
  EXPECT_EQ(of("--sink "), sinks);
  EXPECT_EQ(of("--sink=st"), words({"stdout"}));
  EXPECT_EQ(of("--dump-sink so"), words({"socket"}));
  EXPECT_EQ(of("--option "), words({"close-timeout=", "path=", "reader-timeout="}))
      << "of the default sink";
  EXPECT_EQ(of("--sink socket:x -o "), words({"address="}));
}

TEST_F(BashCompletion, OffersFilesForOptionsThatTakeAPath) {
  write_file(path("disk.pipe"), "");
  std::filesystem::create_directory(path("disks"));
  const words both{"disk.pipe", "disks"};
  for (const std::string line :
       {"--sink fifo:di", "--sink=fifo:di", "-o path=di", "pipe=di", "write=di", "--unix di",
        "-U di", "--pidfile=di", "-P di", "--tls-psk di"}) {
    EXPECT_EQ(of(line), both) << line;
  }
  EXPECT_EQ(of("--spill-directory di"), words({"disks"}));
}

TEST_F(BashCompletion, OffersTheValuesOfOptionsWithFixedChoices) {
  EXPECT_EQ(of("--gaps "), words({"allow", "refuse"}));
  EXPECT_EQ(of("--tls="), words({"off", "on", "require"}));
  EXPECT_EQ(of("--size "), words());
  for (const std::string name : {"order", "log-level"}) {
    // "... is not one of auto, strict, ...; did you mean ...?"
    const std::string refusal = nbdstream({"--" + name, "?"}).err;
    for (const auto& word : of("--" + name + " ")) {
      EXPECT_TRUE(std::regex_search(refusal, std::regex("not one of.*\\b" + word + "\\b")));
    }
    const auto commas = std::count(refusal.begin(), refusal.end(), ',');
    EXPECT_EQ(of("--" + name + " ").size(), static_cast<std::size_t>(commas) + 1) << refusal;
  }
}

TEST_F(BashCompletion, OffersTheParametersOfNbdkit) {
  EXPECT_EQ(of("--size 1M "), words({"pipe=", "size=", "write="}));
}

TEST_F(BashCompletion, OffersSubcommandsAndTheirArguments) {
  EXPECT_EQ(of(""), words({"apply ", "cat ", "ctl ", "info ", "pipe=", "serve ", "size=", "verify ",
                           "write="}));
  EXPECT_EQ(of("ap"), words({"apply "}));
  EXPECT_EQ(of("apply --"),
            words({"--from", "--help", "--in-place", "--progress", "--resize", "--verify"}));
  EXPECT_EQ(of("info --"), words({"--help", "--json"}));
  write_file(path("disk.raw"), "");
  EXPECT_EQ(of("apply di"), words({"disk.raw"}));
  EXPECT_EQ(of("cat disk.raw di"), words({"disk.raw"}));
  EXPECT_EQ(of("verify di"), words({"disk.raw"}));
  EXPECT_EQ(of("apply --from di"), words());
  EXPECT_EQ(of("ctl --"), words({"--control", "--help", "--json", "--reason", "--timeout"}));
  EXPECT_EQ(of("ctl com"), words({"commit"}));
  EXPECT_EQ(of("ctl --control di"), words({"disk.raw"}));
}

}  // namespace
}  // namespace nbdstream::test

// SPDX-License-Identifier: BSD-3-Clause
//
// What the tests of digests and receipts share.
#ifndef NBDSTREAM_TESTS_SUPPORT_RECEIPT_TEST_HPP
#define NBDSTREAM_TESTS_SUPPORT_RECEIPT_TEST_HPP

#include "support/integration_test.hpp"

#include <array>

namespace nbdstream::test {

/// An algorithm of --digest, its name in logs and receipts, and the program that computes it, too.
struct digest_kind {
  const char* option;
  const char* name;
  const char* program;
};
inline constexpr std::array digest_kinds{digest_kind{"sha256", "sha256", "sha256sum"},
                                         digest_kind{"blake2b", "blake2b-512", "b2sum"},
                                         digest_kind{"xxh3", "xxh3-128", "xxh128sum"}};

class receipt_test : public integration_test {
 protected:
  /// What the kind's program says of a file.
  [[nodiscard]] std::string digest_of(const digest_kind& kind, const std::string& file) const {
    const result said = start({kind.program, file}).wait();
    EXPECT_TRUE(ended_with(0, said));
    return said.out.substr(0, said.out.find(' '));
  }

  /// Whether `ended` has committed a stream with the digest of that file.
  [[nodiscard]] ::testing::AssertionResult says_digest(const result& ended, const digest_kind& kind,
                                                       const std::string& file) const {
    return mentions(ended.err, "; " + std::string(kind.name) + " " + digest_of(kind, file) + "\n");
  }

  /// A member of the receipt, in JSON: `member` is Python for it, as "['sink']['module']".
  [[nodiscard]] std::string receipt_says(const std::string& member,
                                         const std::string& file = "r.json") const {
    const std::string script =
        "import json; print(json.dumps(json.load(open('" + file + "'))" + member + "), end='')";
    const result said = start({"/usr/bin/python3", "-c", script}).wait();
    EXPECT_TRUE(ended_with(0, said));
    return said.out;
  }

  [[nodiscard]] bool is_there(const std::string& name) const {
    return std::filesystem::exists(path(name));
  }
  [[nodiscard]] bool no_receipt(const std::string& name = "r.json") const {
    return !is_there(name) && !is_there(name + ".partial");
  }

  result verify(const arguments& args) const {
    arguments all{"verify"};
    all.insert(all.end(), args.begin(), args.end());
    return nbdstream(all);
  }
};

}  // namespace nbdstream::test
#endif

// SPDX-License-Identifier: BSD-3-Clause
//
// What the tests of `nbdstream serve` share: backups of files, and clients that read them.
#ifndef NBDSTREAM_TESTS_SUPPORT_SERVE_TEST_HPP
#define NBDSTREAM_TESTS_SUPPORT_SERVE_TEST_HPP

#include "support/restore_test.hpp"

#include <fstream>

namespace nbdstream::test {

class serve_test : public restore_test {
 protected:
  /// in.raw, and in.zst of it.
  void make_backup(std::uint64_t bytes = 40 * MiB) const {
    make_disk(bytes);
    compress("in.qcow2", "in.zst");
  }
  void compress(const std::string& disk, const std::string& to) const {
    EXPECT_TRUE(ended_with(0, nbdstream({"--compress", "zstd", "--sink", "file:" + to, "--run",
                                         "qemu-img convert -n " + disk + R"( -O raw "$uri")"})));
  }
  result serve(const arguments& sources, const std::string& command) const {
    arguments args{"serve"};
    args.insert(args.end(), sources.begin(), sources.end());
    args.insert(args.end(), {"--run", command});
    return nbdstream(args);
  }
  /// A client reads with `script`, as start_client() has it.
  result read_from(const arguments& sources, const std::string& script) const {
    return serve(sources, client_command(script));
  }
  void expect_served(const arguments& sources, const std::string& raw = "in.raw") const {
    EXPECT_TRUE(ended_with(
        0,
        serve(
            sources,
            "qemu-img compare -f raw -F raw " + raw +
                R"( "$uri" && rm -f copy &&)"
                R"( nbdcopy --connections=4 "$uri" copy && qemu-img compare -f raw -F raw copy )" +
                raw)));
  }
  /// The exit status is 2, and there is one line.
  std::string refusal(const arguments& args) const {
    arguments all{"serve"};
    all.insert(all.end(), args.begin(), args.end());
    return line_of(2, all);
  }
  /// The byte at `offset` becomes another one.
  void damage(const std::string& name, std::uint64_t offset) const {
    std::fstream file(path(name), std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(offset));
    const int byte = file.get();
    file.seekp(static_cast<std::streamoff>(offset));
    file.put(static_cast<char>(byte ^ 0x55));
  }
};

}  // namespace nbdstream::test
#endif

// SPDX-License-Identifier: BSD-3-Clause
//
// What the integration tests share: the real program and real clients, running in a directory of
// the test's own, so that a test's commands read like the ones in the manual.
#ifndef NBDSTREAM_TESTS_SUPPORT_INTEGRATION_TEST_HPP
#define NBDSTREAM_TESTS_SUPPORT_INTEGRATION_TEST_HPP

#include "support/deadline.hpp"
#include "support/files.hpp"
#include "support/peer.hpp"
#include "support/process.hpp"
#include "support/temp_directory.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace nbdstream::test {

using arguments = std::vector<std::string>;

/// Where start_listening() makes nbdstream listen, and start_client() connects.
inline const std::string unix_uri = "nbd+unix:///?socket=sock";

/// Where the project is, and the modules that were made for tests.
inline const std::string source_directory = NBDSTREAM_SOURCE;
inline const std::string test_modules = NBDSTREAM_TEST_MODULES;

/// The command of --run in most examples.
inline const std::string convert = R"(qemu-img convert -n in.qcow2 -O raw "$uri")";

/// Whether a process ended with `status`; the message tells what it had said.
[[nodiscard]] ::testing::AssertionResult ended_with(int status, const result& ended);

/// Whether `text` has `part` in it; the message shows the text.
[[nodiscard]] ::testing::AssertionResult mentions(std::string_view text, std::string_view part);

class integration_test : public ::testing::Test {
 protected:
  integration_test();

  /// Nothing that was started may still run, and no temporary file may be left.
  void TearDown() override;

  /// A file in the test's directory, where every process runs.
  [[nodiscard]] std::filesystem::path path(const std::filesystem::path& name) const {
    return directory_ / name;
  }

  /// A process with this argv; nbdstream and the clients are in its PATH.
  [[nodiscard]] process start(arguments argv, process::options how = {}) const;
  [[nodiscard]] process start_shell(const std::string& script) const;

  /// nbdstream with these arguments, started, or run to its end.
  [[nodiscard]] process start_nbdstream(const arguments& args, process::options how = {}) const;
  result nbdstream(const arguments& args, process::options how = {}) const;

  /// What has nbdstream run `command`, and write what it sends to the FIFO `output`.
  [[nodiscard]] static arguments running(const std::string& command, const arguments& more = {});

  /// nbdstream on the Unix socket `sock`, once it says that it is ready: for clients of our own.
  [[nodiscard]] process start_listening(const arguments& args) const;

  /// `cat output > out.raw`, once there is a FIFO of that name.
  [[nodiscard]] process start_reader(const std::string& fifo = "output",
                                     const std::string& file = "out.raw") const;

  /// A libnbd client: `script` in Python, with `h` connected to `uri`. Besides libnbd it can call
  ///   send(data, offset=0)            write it in pieces of 64 KiB
  ///   fails_with(errno, call, ...)    the call must fail like this
  ///   another_connection()            a second handle, connected to the same place
  ///   stay()                          never end
  ///   write_and_stay(data)            send one write, make a file `sent`, never end
  ///   file(name), touch(name)         read a file, make an empty one
  ///   wait_for(name)                  until there is a file of that name
  [[nodiscard]] process start_client(const std::string& script,
                                     const std::string& uri = unix_uri) const;
  result client(const std::string& script, const std::string& uri = unix_uri) const;

  /// The same script as a command for --run, which connects to "$uri".
  [[nodiscard]] std::string client_command(const std::string& script) const;

  /// Waits for a file to appear.
  void wait_for(const std::string& name) const;

  /// nbdstream has `command` run, and what it sends to the FIFO `output` must be in.raw.
  void expect_in_raw_from(const std::string& command, const arguments& more = {}) const;

  /// in.qcow2 with `size` bytes of data and holes, and as in.raw what must come out of it.
  void make_disk(std::uint64_t size = 8 * MiB) const;

  /// A shell command: qemu-img copies a raw disk of 8 MiB to `uri`, and fails to read at 4 MiB.
  [[nodiscard]] std::string convert_broken_source(const std::string& uri) const;

 private:
  temp_directory directory_;
  std::filesystem::path temporary_;  ///< TMPDIR of every process
};

}  // namespace nbdstream::test
#endif

// SPDX-License-Identifier: BSD-3-Clause
//
// What the tests of the data path share: nbdstream with a descriptor of the test's as its stdout,
// and a client whose every byte, and every pause, is the test's.
#ifndef NBDSTREAM_TESTS_SUPPORT_DATA_PATH_TEST_HPP
#define NBDSTREAM_TESTS_SUPPORT_DATA_PATH_TEST_HPP

#include "support/integration_test.hpp"
#include "support/scripted_client.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <ctime>
#include <limits>

namespace nbdstream::test {

/// A client: what is added to `script` goes out with say(), and makes up the stream as it is added.
class talker {
 public:
  explicit talker(peer to) : connection(std::move(to)) { script.flags().go(); }

  /// More of the stream. `late`: bytes and what stands behind them, the latter is written first.
  void data(std::uint64_t size) {
    const auto at = expected.size();
    script.write(at, grow(size));
  }
  void zeroes(std::uint32_t size) {
    script.zeroes(expected.size(), size);
    expected.append(size, '\0');
  }
  void late(std::uint64_t size, std::uint64_t behind) {
    const auto at = expected.size();
    const auto first = grow(size);
    const auto second = grow(behind);
    script.write(at + size, second).write(at, first);
  }

  /// Sends what was added, and reads meanwhile.
  void say(peer* reader = nullptr, std::size_t piece = std::numeric_limits<std::size_t>::max()) {
    connection.send(unsaid(), reader, piece);
    said = script.script().size();
  }
  /// As much of it as is taken while nobody reads. Returns how much that was.
  std::size_t offer(std::size_t piece = std::numeric_limits<std::size_t>::max()) {
    const auto begin = said;
    for (std::size_t n = 1; n > 0; said += n) n = connection.offer(unsaid().substr(0, piece));
    return said - begin;
  }
  [[nodiscard]] std::string_view unsaid() const {
    return std::string_view(script.script()).substr(said);
  }

  /// Waits for so many answers.
  void wait_for_answers(std::size_t count) {
    while (script.parse(connection.received()).answers.size() < count) connection.take(1);
  }
  /// Says goodbye, and reads to the end. Whether every request was answered, and without error.
  [[nodiscard]] ::testing::AssertionResult ends_well(peer* reader) {
    script.disc();
    say(reader);
    if (reader) reader->drain();
    connection.drain();
    return was_answered(0);
  }
  /// Whether every request was answered, and with that error.
  [[nodiscard]] ::testing::AssertionResult was_answered(std::uint32_t error) const {
    const auto heard = script.parse(connection.received());
    if (heard.wrong.empty() && heard.leftover.empty() &&
        heard.answers.size() == script.ends().size() &&
        std::ranges::all_of(heard.answers, [&](const auto& a) { return a.error == error; }))
      return ::testing::AssertionSuccess();
    auto told = ::testing::AssertionFailure();
    told << heard.wrong << heard.leftover.size() << " bytes left over; ";
    told << heard.answers.size() << " answers of " << script.ends().size() << ", expected "
         << error;
    for (const auto& a : heard.answers)
      if (a.error != error) return told << "; " << a.cookie << " got " << a.error;
    return told;
  }

  peer connection;
  scripted_client script;
  std::string expected;  ///< the stream
  std::size_t said = 0;

 private:
  std::string grow(std::uint64_t size) {
    const auto more = pattern(size, ++seed_);
    expected += more;
    return more;
  }
  std::uint64_t seed_ = 0;
};

class data_path_test : public integration_test {
 protected:
  /// nbdstream with `out` as its stdout, which listens at `sock` and at port_.
  [[nodiscard]] process start_into(int out, const arguments& more = {}) const {
    arguments argv{"nbdstream", "-U",  "sock",   "-p",    std::to_string(port_),
                   "-P",        "pid", "--sink", "stdout"};
    argv.insert(argv.end(), more.begin(), more.end());
    if (!may_reopen_ && ::geteuid() == 0)
      argv.insert(argv.begin(), {"setpriv", "--bounding-set=-dac_override,-dac_read_search"});
    process::options how;
    how.out = out;
    process server = start(argv, how);
    wait_for("pid");
    return server;
  }
  /// Such a server writes to this pipe through the description that it inherits: it cannot make one
  /// of its own.
  void forbid_reopening(const file_descriptor& pipe) {
    checked(::fchmod(pipe.get(), 0), "fchmod");
    may_reopen_ = false;
  }

  [[nodiscard]] talker over_unix() const { return talker(connect_unix(path("sock"))); }
  [[nodiscard]] talker over_tcp() const { return talker(connect_tcp(port_)); }

  /// A large write that has arrived. The payload of the next one will not be read, but spliced.
  static void warm_up(talker& client, peer& reader) {
    client.data(40 * KiB);
    client.say(&reader);
    client.wait_for_answers(1);
    reader.take(client.expected.size() - reader.received().size());
  }

  /// What a process has used of the processors.
  [[nodiscard]] static std::chrono::nanoseconds processor_time(const process& of) {
    clockid_t clock{};
    timespec used{};
    if (::clock_getcpuclockid(of.pid(), &clock) != 0 || ::clock_gettime(clock, &used) != 0)
      throw std::runtime_error("no processor time of the server");
    return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
  }
  /// Waits until a process does nothing any more. False if it never rests.
  [[nodiscard]] static bool comes_to_rest(const process& one) {
    auto before = processor_time(one) - std::chrono::hours(1);
    return eventually([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(40));
      const auto used = processor_time(one) - std::exchange(before, processor_time(one));
      return used < std::chrono::milliseconds(1);
    });
  }
  /// Says what is taken while nobody reads the stream, and returns how much that was.
  static std::size_t say_what_is_taken(talker& client, const process& server) {
    std::size_t taken = 0;
    for (std::size_t more = 1; more > 0; taken += more) {
      more = client.offer();
      client.connection.take_what_there_is();
      EXPECT_TRUE(comes_to_rest(server));
    }
    return taken;
  }
  /// A number of /proc/PID/status, in bytes.
  [[nodiscard]] static std::uint64_t memory(const process& of, const std::string& what) {
    const auto text = read_file("/proc/" + std::to_string(of.pid()) + "/status");
    return std::stoull(text.substr(text.find(what + ":") + what.size() + 1)) * KiB;
  }

  static int flags(const file_descriptor& of) { return ::fcntl(of.get(), F_GETFL); }
  static int unread(const peer& pipe) {
    int count = 0;
    checked(::ioctl(pipe.fd(), FIONREAD, &count), "FIONREAD");
    return count;
  }

  const std::uint16_t port_ = free_port();

 private:
  bool may_reopen_ = true;
};

}  // namespace nbdstream::test
#endif

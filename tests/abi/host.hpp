// SPDX-License-Identifier: BSD-3-Clause
//
// A host of sinks, as small as one can be: it loads a module and makes the calls it is told to.
#ifndef NBDSTREAM_TESTS_ABI_HOST_HPP
#define NBDSTREAM_TESTS_ABI_HOST_HPP

#include <nbdstream/sink.h>

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace sink_tests {

/// How long anything that ought to happen may take before a test gives up on it.
constexpr std::chrono::seconds patience{20};

/// Whether `condition` becomes true within `patience`.
template <class Condition>
bool eventually(Condition&& condition) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

/// Paths of modules: of the product, and of those that only tests use.
std::string in_tree_sink(const std::string& name);
std::string test_module(const std::string& name);

/// The table of a module; fails the test and throws where there is none.
const nbdstream_sink_table& load(const std::string& path);

using settings = std::map<std::string, std::string>;

/// One sink, and the host that it talks to.
class sink {
 public:
  /// Calls create; its result is `created`.
  explicit sink(const std::string& module, const settings& values = {});
  sink(const sink&) = delete;
  sink& operator=(const sink&) = delete;
  /// Aborts a stream that is still open, and calls destroy.
  ~sink();

  /// One call each.
  int open();
  int64_t write(std::string_view data);
  int64_t zero(uint64_t length);
  int commit(uint64_t length = 0);
  int abort();
  void interrupt();
  int check();

  /// The same, repeated as wait_for says while they say -EAGAIN; -ETIMEDOUT, and the test fails,
  /// when patience is at its end.
  int open_patiently();
  int commit_patiently(uint64_t length = 0);
  int abort_patiently();

  /// The descriptor that was lent after the last open, and what came with it.
  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] uint32_t fd_flags() const { return fd_flags_; }

  /// Writes everything to the lent descriptor, or through write: 0 or -errno.
  int send(std::string_view data);

  /// open, send and commit, patiently: the first result that is not 0.
  int stream(std::string_view data);

  /// What wait_for says now.
  nbdstream_wait wait();

  [[nodiscard]] const nbdstream_sink_table& table() const { return table_; }
  [[nodiscard]] const std::string& explanation() const { return explanation_; }
  [[nodiscard]] int waits() const { return waits_; }

  int created = 0;
  std::vector<std::string> log;

 private:
  struct value {
    std::string text;
    nbdstream_setting setting;
  };

  void set(const nbdstream_option& option, const std::string& text);
  int patiently(const std::function<int()>& call);
  int64_t send_some(std::string_view data);

  const nbdstream_sink_table& table_;
  std::map<std::string, value> values_;
  std::string explanation_;
  nbdstream_host host_{};
  void* self_ = nullptr;
  uint64_t streams_ = 0;
  bool opening_ = false;
  int fd_ = -1;
  uint32_t fd_flags_ = 0;
  int waits_ = 0;
};

}  // namespace sink_tests

#endif

// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_CONFORMANCE_SUBJECT_HPP
#define NBDSTREAM_CONFORMANCE_SUBJECT_HPP

#include "conformance/caller.hpp"
#include "conformance/lent_descriptor.hpp"
#include "io/unique_fd.hpp"
#include "sink/module.hpp"
#include "sink/options.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

namespace nbdstream::conformance {

/// What a sink is made from, and to whom its faults are told.
struct setup {
  const sink::module& module;
  const sink::settings& settings;
  const channel& report;
  clock::duration grace;
  int standard_output = -1;  ///< what it was when the process began; -1: not of interest
};

/// How a call is made. By default it is repeated until it succeeds or fails.
struct call_mode {
  bool once = false;                             ///< -EAGAIN is an answer
  std::optional<clock::duration> interrupted{};  ///< interrupt the call after this time
};

/// A sink that is driven as sink.h says a host may drive it, and watched. What is wrong is
/// reported; if the check cannot continue, check_aborted or stuck is thrown.
class subject {
 public:
  explicit subject(const setup& s);
  subject(const subject&) = delete;
  subject& operator=(const subject&) = delete;

  /// False: the module refuses, which only a second sink may be met with.
  bool create(bool may_refuse = false);
  void destroy();

  /// `exactly`: the stream will have so many bytes, if it is committed.
  void open(std::optional<std::uint64_t> exactly = std::nullopt);
  void write(std::uint64_t count);
  void zero(std::uint64_t count);
  void flush();
  void commit();
  void abort();
  /// Asks whether it can go on. State: open; the last call was successful.
  void check();

  /// One call, with its result. After a success the sink is open, or closed, as it should be.
  std::int64_t try_open(call_mode how, std::optional<std::uint64_t> exactly = std::nullopt);
  std::int64_t try_write(std::uint64_t count, call_mode how);
  std::int64_t try_zero(std::uint64_t count, call_mode how);
  std::int64_t try_flush(call_mode how);
  std::int64_t try_commit(call_mode how);

  [[nodiscard]] bool is_created() const noexcept { return created_; }
  [[nodiscard]] bool is_open() const noexcept { return open_; }
  [[nodiscard]] bool lends() const noexcept { return lent_.has_value(); }
  void complain(std::string_view what, contract::sentence broken, kind how = kind::violation) const;

  /// Fails a call: what it said, and what the module explained. Throws check_aborted.
  [[noreturn]] void fail(std::string_view name, std::int64_t result, contract::sentence broken);

 private:
  using call = caller::call;

  /// Makes a call on the thread that is its phase's, repeats it while it says -EAGAIN.
  std::int64_t perform(std::string_view name, nbdstream_sink_blocking phase, const call& c,
                       call_mode how);
  /// The same call once; what to wait for goes into `wait`, the result of wait_for into `asked`.
  std::int64_t make(std::string_view name, nbdstream_sink_blocking phase, const call& c,
                    call_mode how, nbdstream_wait& wait, std::optional<int>& asked);
  void check_wait(std::string_view name, const nbdstream_wait& wait, std::optional<int> asked);
  void borrow();
  void check_lent();
  void send(std::string data);
  void send_lent(std::string_view data);
  void check_count(std::string_view name, std::int64_t n, std::uint64_t most,
                   contract::sentence broken);

  static void log_line(const nbdstream_host* host, int level, const char* text);
  static void explain(const nbdstream_host* host, const char* text);
  static const nbdstream_setting* find_setting(const nbdstream_host* host, const char* name);
  static void note_result(const nbdstream_host* host, const char* key, const char* value);
  static void note_progress(const nbdstream_host* host, std::uint64_t length);
  static void wake_up(const nbdstream_host* host);
  /// Whether the module has called wake() since this was asked last.
  bool was_woken();

  setup setup_;
  const nbdstream_sink_table& table_;
  nbdstream_host host_{};
  std::unique_ptr<caller> caller_;
  void* self_ = nullptr;
  bool created_ = false;
  bool open_ = false;
  std::uint64_t stream_ = 0;
  checksum sent_;
  std::optional<lent_descriptor> lent_;

  std::atomic<std::thread::id> calling_;  ///< the thread of the call that runs; default: none
  std::atomic<bool> creating_ = false;
  std::atomic<bool> committing_ = false;
  std::atomic<bool> in_stream_ = false;   ///< from open until commit or abort has returned
  std::atomic<std::uint64_t> given_ = 0;  ///< bytes of the stream, with those of the call that runs
  io::unique_fd wake_;                    ///< an eventfd, until destroy
  bool may_check_ = false;                ///< the stream is open, and no call has failed
  std::mutex mutex_;
  std::string explanation_;  ///< under the mutex
};

}  // namespace nbdstream::conformance
#endif

// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINK_MODULE_SINK_HPP
#define NBDSTREAM_SINK_MODULE_SINK_HPP

#include "io/fd_waiter.hpp"
#include "io/fd_writer.hpp"
#include "io/worker.hpp"
#include "log/context.hpp"
#include "sink/module.hpp"
#include "sink/module_host.hpp"
#include "sink/options.hpp"
#include "sink/sink.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>

namespace nbdstream::sink {

/// A module refuses to create its sink; one line with its explanation.
class create_error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A sink whose work a loaded module does (sink.h). Phases that the module says may block run on
/// a thread of their own, the others here. Where the module lends a descriptor, the bytes go there
/// without another call.
class module_sink final : public sink {
 public:
  /// Creates the module's sink from `options`. `grace`: how long abort may say -EAGAIN.
  /// `log`: that of its export. `copy_only`: no page of a file is handed on by reference. Throws
  /// create_error where the module refuses.
  module_sink(const asio::any_io_executor& executor, module m, settings options,
              io::clock::duration grace, const log::context& log, bool copy_only = false);
  ~module_sink() override;
  module_sink(const module_sink&) = delete;
  module_sink& operator=(const module_sink&) = delete;

  [[nodiscard]] awaitable<failure> open(const stream_info& stream) override;
  [[nodiscard]] awaitable<failure> write(std::span<const std::byte> data) override;
  [[nodiscard]] awaitable<failure> write_parts(std::span<iovec> parts) override;
  [[nodiscard]] awaitable<failure> write_zeroes(std::uint64_t count) override;
  [[nodiscard]] awaitable<failure> write_file(int from, std::uint64_t offset,
                                              std::uint64_t count) override;
  [[nodiscard]] std::uint64_t in_transit() const noexcept override;
  [[nodiscard]] bool splices() const noexcept override { return lent_ && lent_->splices(); }
  [[nodiscard]] bool splices_unseen() const noexcept override {
    return lent_ && lent_->splices_unseen();
  }
  [[nodiscard]] awaitable<io::splice_result> splice(int socket, std::uint64_t count) override;
  [[nodiscard]] awaitable<failure> wait_until_taken() override;
  [[nodiscard]] awaitable<failure> flush() override;
  [[nodiscard]] awaitable<failure> commit(std::uint64_t length) override;
  [[nodiscard]] std::span<const fact> facts() const noexcept override { return host_.facts(); }
  [[nodiscard]] std::optional<std::uint64_t> acknowledged() const noexcept override {
    return host_.acknowledged();
  }
  void announce_trouble(io::condition& to) override { announce_to_ = &to; }
  [[nodiscard]] const failure* trouble() const noexcept override {
    return trouble_ ? &*trouble_ : nullptr;
  }
  [[nodiscard]] awaitable<void> abort() override;
  void cancel() override;
  [[nodiscard]] std::string_view name() const noexcept override { return name_; }
  [[nodiscard]] activity busy() const noexcept override { return activity_; }
  [[nodiscard]] bool flushes() const noexcept override { return module_.table.flush != nullptr; }

 private:
  using call = std::function<std::int64_t()>;
  class operation;
  class under_way;

  /// Makes one call on the thread that is its phase's, repeats it while it says -EAGAIN, until
  /// cancelled or, where there is one, (-ETIMEDOUT) `until`. Returns its result.
  [[nodiscard]] awaitable<std::int64_t> perform(nbdstream_sink_blocking phase, const call& c,
                                                io::clock::time_point until);
  [[nodiscard]] awaitable<std::int64_t> perform(nbdstream_sink_blocking phase, const call& c);
  /// The result of a call as a failure, with what the module explained. After one nothing but abort
  /// comes.
  [[nodiscard]] failure to_failure(std::int64_t result);
  /// The same for a write to a lent descriptor.
  [[nodiscard]] failure write_failure(error_code error);
  /// The module has called wake(), or may have done so where nobody heeded it.
  void look();
  /// Reads into buffer_, on the thread.
  [[nodiscard]] awaitable<failure> write_gathered(std::span<iovec> parts);
  [[nodiscard]] awaitable<failure> read_file(int from, std::uint64_t offset, std::size_t count);
  void borrow_descriptor();
  void return_descriptor();

  module module_;
  io::clock::duration grace_;
  std::string name_;
  module_host host_;
  void* self_ = nullptr;
  io::fd_waiter ready_;
  io::worker thread_;
  std::atomic<bool> cancelled_ = false;  ///< also read by the thread
  activity activity_ = activity::none;
  bool module_blocks_ = false;  ///< the thread runs a call of the module
  bool calling_ = false;        ///< a call is under way: it runs, or has said -EAGAIN
  bool woken_ = false;          ///< meanwhile
  bool may_check_ = false;      ///< a stream is open, and nothing has failed
  std::optional<failure> trouble_;
  io::condition* announce_to_ = nullptr;
  io::condition idle_;
  bool copy_only_;
  std::optional<io::fd_writer> lent_;
  bool referenced_ = false;  ///< pages of a file were in transit when the descriptor was returned
  std::shared_ptr<std::byte[]> buffer_;  ///< of bytes for the module; the thread may keep it longer
};

/// Marks an operation as under way, for as long as it lives.
class module_sink::operation {
 public:
  explicit operation(module_sink& of, activity what = activity::working) : of_(of) {
    of_.activity_ = what;
  }
  ~operation() {
    of_.activity_ = activity::none;
    of_.idle_.notify_all();
  }
  operation(const operation&) = delete;
  operation& operator=(const operation&) = delete;

 private:
  module_sink& of_;
};

/// Marks a call of the module as under way, for as long as it lives.
class module_sink::under_way {
 public:
  explicit under_way(module_sink& of) : of_(of) { of_.calling_ = true; }
  ~under_way() {
    of_.calling_ = false;
    // Not now: what the call has changed is not noted yet.
    if (std::exchange(of_.woken_, false)) of_.host_.wake();
  }
  under_way(const under_way&) = delete;
  under_way& operator=(const under_way&) = delete;

 private:
  module_sink& of_;
};

}  // namespace nbdstream::sink
#endif

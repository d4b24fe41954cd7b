// SPDX-License-Identifier: BSD-3-Clause
#include "receipt/writer.hpp"

#include "receipt/path.hpp"

#include <fmt/format.h>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <utility>

namespace nbdstream::receipt {
namespace {

constexpr auto hold_pause = std::chrono::milliseconds(20);

}  // namespace

writer::writer(const asio::any_io_executor& executor, const std::string& path,
               io::clock::duration timeout, log::context log)
    : file_(std::make_shared<file>(path)),
      timeout_(timeout),
      log_(std::move(log)),
      thread_(executor) {}

awaitable<sink::failure> writer::run(call c, const char* what) {
  io::worker::job job = [file = file_, c = std::move(c)] { return c(*file); };
  const auto until = io::clock::now() + timeout_;
  const auto result = co_await thread_.run(std::move(job), until);
  if (result >= 0) co_return sink::failure{};
  if (thread_.abandoned()) leave_behind();
  if (result == -ECANCELED) co_return sink::failure{asio::error::operation_aborted, "cancelled"};
  const auto code = from_errno(static_cast<int>(-result));
  co_return sink::failure{
      code, fmt::format("the receipt {} cannot be {}: {}", file_->path(), what, code.message())};
}

awaitable<sink::failure> writer::begin() {
  const auto found = std::make_shared<bool>(false);
  const auto until = io::clock::now() + timeout_;
  sink::failure failed;
  for (;;) {
    call clear = [found](file& f) { return f.clear(*found); };
    failed = co_await run(std::move(clear), "cleared of what an earlier stream has left");
    // The thread of an aborted stream may still hold it.
    const bool held = failed.code == boost::system::errc::device_or_resource_busy;
    if (!held || io::clock::now() >= until) break;
    asio::steady_timer pause(co_await asio::this_coro::executor, hold_pause);
    co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
  }
  if (!failed && *found) log_.warning("{}", describe_left_behind(file_->partial()));
  co_return failed;
}

awaitable<sink::failure> writer::prepare(std::string text) {
  call prepare = [text = std::move(text)](file& f) { return f.prepare(text); };
  co_return co_await run(std::move(prepare), "written");
}

awaitable<sink::failure> writer::finish(std::string text) {
  call finish = [text = std::move(text)](file& f) { return f.finish(text); };
  co_return co_await run(std::move(finish), "written");
}

awaitable<void> writer::discard() {
  if (thread_.abandoned()) co_return;  // the thread does it, should its call ever return
  call drop = [](file& f) {
    f.drop();
    return std::int64_t{0};
  };
  const auto failed = co_await run(std::move(drop), "removed");
  if (failed) log_.warning("{}", failed.why);
}

void writer::abandon() {
  if (!thread_.busy()) return;
  leave_behind();
  thread_.abandon();
}

/// The call may have looked for the last time already.
void writer::leave_behind() {
  file_->abandon();
  thread_.at_end([file = file_] {
    file->drop();
    return std::int64_t{0};
  });
}

}  // namespace nbdstream::receipt

// SPDX-License-Identifier: BSD-3-Clause
#include "control/service.hpp"

#include "log/json.hpp"
#include "log/reason.hpp"
#include "status/json.hpp"
#include "status/metrics.hpp"
#include "status/page.hpp"

#include <fmt/format.h>

namespace nbdstream::control {
namespace {

using kind = action::kind;

/// An event is not made again for who asks within this time.
constexpr auto event_age = std::chrono::milliseconds(500);

answer of_outcome(const status::outcome& o) {
  answer a;
  a.body = status::to_json(o) + "\n";
  return a;
}

answer of_told(const nbd_export::told& t) {
  using result = nbd_export::told::result;
  if (t.what == result::done) return of_outcome(t.stream);
  if (t.what == result::conflict) return refuse(409, t.why);
  answer a;
  a.status = 502;
  a.body = "{\"error\": \"";
  log::append_json(a.body, t.why);
  a.body += "\", \"stream\": " + status::to_json(t.stream) + "}\n";
  return a;
}

std::string_view verb(kind what) {
  return what == kind::commit ? "commit" : "abort";
}

/// Begins a line of the log.
std::string label(const nbd_export& e) {
  const auto& name = e.info().name;
  return name.empty() ? std::string() : fmt::format("export \"{}\": ", name);
}

awaitable<answer> wait_for_outcome(nbd_export& e) {
  const auto ended = co_await e.next_outcome();
  co_return ended ? of_outcome(*ended) : refuse(409, "no further stream will be served");
}

}  // namespace

service::service(const asio::any_io_executor& executor, controlled& process,
                 std::vector<std::string> exports, log::logger& log)
    : process_(process),
      exports_(std::move(exports)),
      log_(log),
      changed_(executor),
      scope_(executor, [this](std::exception_ptr failed) {
        log_.error("control: {}", log::reason(failed));
      }) {}

std::variant<action, answer> service::decide(const request& r, place where,
                                             std::string_view host) const {
  return route(r, {.where = where, .host = host, .exports = exports_});
}

answer service::answer_now(const action& a) {
  answer out;
  switch (a.what) {
    case kind::page:
      out.content_type = "text/html; charset=utf-8";
      out.policy = status::page_policy();
      out.body = status::page(process_.snapshot());
      break;
    case kind::health:
      out.content_type = "text/plain; charset=utf-8";
      out.body = "ok\n";
      break;
    case kind::metrics:
      out.content_type = status::content_type(a.form);
      out.body = status::to_metrics(process_.snapshot(), a.form);
      break;
    case kind::stop:
      log_.info("told to stop");
      process_.stop();
      out.body = "{\"stopping\": true}\n";
      break;
    default: out.body = status::to_json(process_.snapshot()) + "\n";
  }
  return out;
}

std::shared_ptr<const std::string> service::event() {
  const auto now = io::clock::now();
  if (!event_ || ending_ || now - event_made_ > event_age) {
    event_ = std::make_shared<std::string>(
        fmt::format("data: {}\n\n", status::to_json(process_.snapshot())));
    event_made_ = now;
  }
  return event_;
}

std::shared_ptr<const service::pending> service::begin(const action& a) {
  auto* const e = process_.find_export(a.export_name);
  const key what(a.what, e);
  const auto running = pending_.find(what);
  if (running != pending_.end()) return running->second;
  auto mine = std::make_shared<pending>();
  if (!e) {
    mine->done = refuse(409, "the exports are not there yet");
    return mine;
  }
  if (a.what != kind::outcome) {
    log_.info("{}told to {}{}{}", label(*e), verb(a.what), a.reason.empty() ? "" : ": ", a.reason);
  }
  pending_.emplace(what, mine);
  try {
    scope_.spawn(run(what, a.reason));
  } catch (...) {
    pending_.erase(what);
    throw;
  }
  return mine;
}

awaitable<void> service::run(key what, std::string reason) {
  answer done;
  try {
    done = co_await carry_out(what, reason);
  } catch (...) {  // out of memory, or a mistake of ours
    done = refuse(502, log::reason(std::current_exception()));
  }
  conclude(what, std::move(done));
}

awaitable<answer> service::carry_out(key what, const std::string& reason) {
  auto& e = *what.second;
  if (what.first == kind::outcome) co_return co_await wait_for_outcome(e);
  auto telling = what.first == kind::commit ? e.commit() : e.abort(reason);
  const auto told = co_await std::move(telling);
  if (told.what == nbd_export::told::result::conflict) {
    log_.warning("{}{} refused: {}", label(e), verb(what.first), told.why);
  }
  co_return of_told(told);
}

void service::conclude(key what, answer a) {
  const auto found = pending_.find(what);
  if (found == pending_.end()) return;  // given up
  found->second->done = std::move(a);
  pending_.erase(found);
  changed_.notify_all();
}

void service::begin_to_end() {
  ending_ = true;
  changed_.notify_all();
}

void service::abort_waiters() {
  for (auto& [what, p] : pending_) {
    p->done = refuse(502, "the process ends, and a call of the sink has not returned");
  }
  pending_.clear();
  changed_.notify_all();
}

}  // namespace nbdstream::control

// SPDX-License-Identifier: BSD-3-Clause
//
// The host that a sink sees: who may call what of it, and when.
#include "conformance/subject.hpp"
#include "sink/sink.hpp"

#include <sys/eventfd.h>

#include <fmt/format.h>

#include <system_error>

namespace nbdstream::conformance {
namespace {

subject& of(const nbdstream_host* host) {
  return *static_cast<subject*>(host->context);
}

}  // namespace

subject::subject(const setup& s)
    : setup_(s),
      table_(s.module.table),
      caller_(std::make_unique<caller>(s.report, s.grace)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!wake_) throw std::system_error(errno, std::system_category(), "eventfd");
  host_.struct_size = sizeof host_;
  host_.abi_minor = NBDSTREAM_SINK_ABI_MINOR;
  host_.context = this;
  host_.log = log_line;
  host_.explain = explain;
  host_.setting = find_setting;
  host_.result = note_result;
  host_.progress = note_progress;
  host_.wake = wake_up;
}

void subject::log_line(const nbdstream_host* host, int, const char* text) {
  auto& self = of(host);
  if (!self.created_ && !self.creating_)
    self.complain("log was called after destroy had returned", contract::log_until_destroy);
  self.setup_.report.send(kind::note, fmt::format("log: {}", text));
}

void subject::explain(const nbdstream_host* host, const char* text) {
  auto& self = of(host);
  if (self.calling_ != std::this_thread::get_id()) {
    self.complain(fmt::format("explain was called outside of any call, or on a thread that is not "
                              "the call's, with \"{}\"",
                              text),
                  contract::explain_within_a_call);
  }
  const std::lock_guard lock(self.mutex_);
  self.explanation_ = text;
}

const nbdstream_setting* subject::find_setting(const nbdstream_host* host, const char* name) {
  auto& self = of(host);
  if (!self.creating_) {
    self.complain(fmt::format("setting(\"{}\") was called outside of create", name),
                  contract::setting_in_create);
  }
  return self.setup_.settings.find(name);
}

void subject::note_result(const nbdstream_host* host, const char* key, const char* value) {
  constexpr std::string_view known = "abcdefghijklmnopqrstuvwxyz0123456789_";
  using sink::fact;
  auto& self = of(host);
  const std::string_view name(key);
  if (!self.committing_ || self.calling_ != std::this_thread::get_id()) {
    self.complain(fmt::format("result was called outside of commit, or on a thread that is not the "
                              "call's, with \"{}\"",
                              name),
                  contract::result_in_commit);
  }
  const bool odd = name.empty() || name.find_first_not_of(known) != name.npos;
  const std::string_view text(value);
  if (odd || name.size() > fact::longest_key || text.size() > fact::longest_value) {
    self.complain(fmt::format("result was called with the key \"{}\" and a value of {} bytes", name,
                              text.size()),
                  contract::result_form);
  }
}

void subject::note_progress(const nbdstream_host* host, std::uint64_t length) {
  auto& self = of(host);
  if (!self.in_stream_) {
    self.complain("progress was called while no stream was open", contract::progress_in_stream);
  } else if (length > self.given_) {
    self.complain(fmt::format("progress says that {} bytes are safe, of {} that there were", length,
                              self.given_.load()),
                  contract::progress);
  }
}

void subject::wake_up(const nbdstream_host* host) {
  auto& self = of(host);
  if (!self.created_ && !self.creating_)
    self.complain("wake was called after destroy had returned", contract::wake_until_destroy);
  ::eventfd_write(self.wake_.get(), 1);
}

bool subject::was_woken() {
  eventfd_t count = 0;
  return ::eventfd_read(wake_.get(), &count) == 0;
}

}  // namespace nbdstream::conformance

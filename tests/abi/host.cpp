// SPDX-License-Identifier: BSD-3-Clause
#include "host.hpp"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <stdexcept>

namespace sink_tests {
namespace {

using clock = std::chrono::steady_clock;

/// Values as tests write them; the product has a parser that deserves the name.
int64_t number_in(const std::string& text, uint32_t type) {
  if (type == NBDSTREAM_OPTION_BOOLEAN) return text == "true";
  char* unit = nullptr;
  const int64_t number = std::strtoll(text.c_str(), &unit, 10);
  if (type != NBDSTREAM_OPTION_DURATION) return number;
  return number * (std::string_view(unit) == "ms" ? 1'000'000 : 1'000'000'000);
}

int milliseconds_of(int64_t nanoseconds) {
  if (nanoseconds < 0) return static_cast<int>(std::chrono::milliseconds(patience).count());
  return static_cast<int>((nanoseconds + 999'999) / 1'000'000);
}

}  // namespace

std::string in_tree_sink(const std::string& name) {
  return SINK_DIRECTORY "/" + name + ".so";
}
std::string test_module(const std::string& name) {
  return MODULE_DIRECTORY "/" + name + ".so";
}

const nbdstream_sink_table& load(const std::string& path) {
  void* module = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (module == nullptr) throw std::runtime_error(::dlerror());
  void* entry = ::dlsym(module, "nbdstream_sink_v1");
  if (entry == nullptr) throw std::runtime_error(path + " has no entry point");
  return *reinterpret_cast<const nbdstream_sink_table* (*)()>(entry)();
}

sink::sink(const std::string& module, const settings& values) : table_(load(module)) {
  (void)std::signal(SIGPIPE, SIG_IGN);  // as in the product
  host_.struct_size = sizeof host_;
  host_.abi_minor = NBDSTREAM_SINK_ABI_MINOR;
  host_.context = this;
  host_.log = [](const nbdstream_host* host, int, const char* text) {
    static_cast<sink*>(host->context)->log.emplace_back(text);
  };
  host_.explain = [](const nbdstream_host* host, const char* text) {
    static_cast<sink*>(host->context)->explanation_ = text;
  };
  host_.setting = [](const nbdstream_host* host, const char* name) -> const nbdstream_setting* {
    const auto& known = static_cast<sink*>(host->context)->values_;
    const auto found = known.find(name);
    return found == known.end() ? nullptr : &found->second.setting;
  };
  for (uint32_t i = 0; i < table_.option_count; ++i) {
    const nbdstream_option& option = table_.options[i];
    const auto given = values.find(option.name);
    if (given != values.end()) set(option, given->second);
    if (given == values.end() && option.default_value != nullptr) set(option, option.default_value);
  }
  created = table_.create(&host_, &self_);
}

sink::~sink() {
  if (created < 0) return;
  if (opening_) (void)table_.abort(self_);
  table_.destroy(self_);
}

void sink::set(const nbdstream_option& option, const std::string& text) {
  value& entry = values_[option.name];
  entry.text = text;
  entry.setting = {sizeof entry.setting, 0, entry.text.c_str(), number_in(text, option.type)};
}

int sink::open() {
  nbdstream_stream stream{};
  stream.struct_size = sizeof stream;
  stream.id = opening_ ? streams_ : ++streams_;
  stream.export_name = "";
  opening_ = true;
  const int status = table_.open(self_, &stream);
  if (status < 0 && status != -EAGAIN) (void)abort();
  if (status != 0) return status;
  fd_flags_ = 0;
  fd_ = table_.native_fd != nullptr ? table_.native_fd(self_, &fd_flags_) : -1;
  return 0;
}

int64_t sink::write(std::string_view data) {
  return table_.write(self_, data.data(), data.size());
}

int64_t sink::zero(uint64_t length) {
  return table_.zero(self_, length);
}

void sink::interrupt() {
  table_.interrupt(self_);
}

int sink::check() {
  return table_.check(self_);
}

int sink::commit(uint64_t length) {
  const int status = table_.commit(self_, length);
  if (status == 0) opening_ = false;
  return status;
}

int sink::abort() {
  opening_ = false;
  return table_.abort(self_);
}

nbdstream_wait sink::wait() {
  nbdstream_wait wait{};
  wait.struct_size = sizeof wait;
  wait.fd = -1;
  wait.timeout_ns = -1;
  if (table_.wait_for(self_, &wait) < 0) throw std::runtime_error("wait_for failed");
  if (wait.fd < 0 && wait.timeout_ns < 0) throw std::runtime_error("there is nothing to wait for");
  return wait;
}

int sink::patiently(const std::function<int()>& call) {
  const auto deadline = clock::now() + patience;
  waits_ = 0;
  for (;;) {
    const int status = call();
    if (status != -EAGAIN) return status;
    ++waits_;
    const nbdstream_wait until = wait();
    pollfd entry{until.fd, static_cast<short>(until.events), 0};
    (void)::poll(&entry, 1, milliseconds_of(until.timeout_ns));
    if (clock::now() > deadline) {
      ADD_FAILURE() << "waited in vain";
      return -ETIMEDOUT;
    }
  }
}

int sink::open_patiently() {
  return patiently([this] { return open(); });
}

int sink::commit_patiently(uint64_t length) {
  return patiently([this, length] { return commit(length); });
}

int sink::abort_patiently() {
  return patiently([this] { return abort(); });
}

int64_t sink::send_some(std::string_view data) {
  if (fd_ < 0) return write(data);
  const ssize_t written = ::write(fd_, data.data(), data.size());
  return written < 0 ? -errno : written;
}

int sink::send(std::string_view data) {
  const auto deadline = clock::now() + patience;
  while (!data.empty()) {
    const int64_t taken = send_some(data);
    if (taken < 0 && taken != -EAGAIN) return static_cast<int>(taken);
    if (taken > 0) data.remove_prefix(static_cast<size_t>(taken));
    if (taken > 0) continue;
    pollfd entry{fd_, POLLOUT, 0};
    (void)::poll(&entry, 1, fd_ < 0 ? 1 : milliseconds_of(-1));
    if (clock::now() > deadline) return -ETIMEDOUT;
  }
  return 0;
}

int sink::stream(std::string_view data) {
  if (const int status = open_patiently(); status != 0) return status;
  if (const int status = send(data); status != 0) return status;
  return commit_patiently(data.size());
}

}  // namespace sink_tests

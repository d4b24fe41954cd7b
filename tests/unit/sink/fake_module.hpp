// SPDX-License-Identifier: BSD-3-Clause
//
// A sink module without a library: a table of functions that do what a test says.
#ifndef NBDSTREAM_TESTS_UNIT_SINK_FAKE_MODULE_HPP
#define NBDSTREAM_TESTS_UNIT_SINK_FAKE_MODULE_HPP

#include "sink/module.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <functional>
#include <string>
#include <thread>
#include <vector>

namespace nbdstream::test {

/// What the module does; one at a time.
struct module_script {
  std::vector<std::string> calls;
  std::string data;
  std::function<std::int64_t(const char* call)> answer;  ///< 0: as usual; else the call's result
  nbdstream_wait wait{};                                 ///< after -EAGAIN
  int fd = -1;                                           ///< lent
  std::uint32_t fd_flags = 0;
  std::size_t most = ~std::size_t{0};  ///< bytes that a write takes
  std::atomic<int> interrupts = 0;
  nbdstream_stream stream{};  ///< the last one; its texts are no longer there
  std::string unique_id;      ///< but for this
  std::thread::id loop_thread = std::this_thread::get_id();
  std::vector<bool> on_loop;  ///< for each call: whether it was made on the loop's thread
  const nbdstream_host* host = nullptr;
  int create_result = 0;
  bool destroyed = false;

  std::int64_t note(const char* call) {
    calls.emplace_back(call);
    on_loop.push_back(std::this_thread::get_id() == loop_thread);
    return answer ? answer(call) : 0;
  }
  [[nodiscard]] std::string all() const {
    std::string text;
    for (const auto& c : calls) text += (text.empty() ? "" : " ") + c;
    return text;
  }

  static inline module_script* current = nullptr;
};

namespace fake_module_calls {

inline module_script& self(void* sink) {
  return *static_cast<module_script*>(sink);
}
inline int number(std::int64_t result) {
  return static_cast<int>(result);
}

inline int create(const nbdstream_host* host, void** sink) {
  auto& s = *module_script::current;
  s.host = host;
  if (s.create_result < 0) {
    host->explain(host, "told to refuse");
    return s.create_result;
  }
  *sink = &s;
  return 0;
}
inline void destroy(void* sink) {
  self(sink).destroyed = true;
}
inline int open(void* sink, const nbdstream_stream* stream) {
  self(sink).stream = *stream;
  self(sink).unique_id = stream->unique_id;
  return number(self(sink).note("open"));
}
inline std::int64_t write(void* sink, const void* data, std::size_t length) {
  auto& s = self(sink);
  const auto told = s.note("write");
  if (told != 0) return told;
  length = std::min(length, s.most);
  s.data.append(static_cast<const char*>(data), length);
  return static_cast<std::int64_t>(length);
}
inline std::int64_t zero(void* sink, std::uint64_t length) {
  auto& s = self(sink);
  const auto told = s.note("zero");
  if (told != 0) return told;
  length = std::min<std::uint64_t>(length, s.most);
  s.data.append(length, '\0');
  return static_cast<std::int64_t>(length);
}
inline int flush(void* sink) {
  return number(self(sink).note("flush"));
}
inline int native_fd(void* sink, std::uint32_t* flags) {
  *flags = self(sink).fd_flags;
  return self(sink).fd;
}
inline int wait_for(void* sink, nbdstream_wait* wait) {
  wait->fd = self(sink).wait.fd;
  wait->events = self(sink).wait.events;
  wait->timeout_ns = self(sink).wait.timeout_ns;
  return 0;
}
inline int commit(void* sink, std::uint64_t) {
  return number(self(sink).note("commit"));
}
inline int abort(void* sink) {
  return number(self(sink).note("abort"));
}
inline void interrupt(void* sink) {
  ++self(sink).interrupts;
}
inline int check(void* sink) {
  return number(self(sink).note("check"));
}

}  // namespace fake_module_calls

/// A module that does what `script` says, until another is made.
inline sink::module fake_module(module_script& script) {
  module_script::current = &script;
  script.wait.fd = -1;
  script.wait.timeout_ns = 1'000'000;
  sink::module m{};
  m.path = "/nowhere/fake.so";
  auto& t = m.table;
  t.struct_size = sizeof t;
  t.name = "fake";
  t.description = "Does as it is told";
  t.version = "1";
  namespace calls = fake_module_calls;
  t.create = calls::create;
  t.destroy = calls::destroy;
  t.open = calls::open;
  t.write = calls::write;
  t.wait_for = calls::wait_for;
  t.commit = calls::commit;
  t.abort = calls::abort;
  return m;
}

}  // namespace nbdstream::test
#endif

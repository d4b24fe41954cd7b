// SPDX-License-Identifier: BSD-3-Clause
//
// What a module tells of a stream that it commits.
#include "fake_module.hpp"
#include "sink/module_sink.hpp"
#include "support/fake_log.hpp"
#include "unit/io/loop.hpp"

#include <memory>
#include <string>

namespace nbdstream::test {
namespace {

struct result_fixture {
  loop l;
  fake_log log;
  module_script script;
  sink::module module = fake_module(script);
  std::unique_ptr<sink::module_sink> made;
  sink::failure failed;

  void make() {
    sink::settings none("fake", {}, {});
    made = std::make_unique<sink::module_sink>(l.executor(), module, std::move(none),
                                               std::chrono::seconds(10), log);
  }
  void tell(const char* key, const char* value) const {
    script.host->result(script.host, key, value);
  }
  awaitable<void> stream() {
    const sink::stream_info info{};
    failed = co_await made->open(info);
    if (!failed) failed = co_await made->commit(0);
  }
  void run() {
    l.spawn(stream());
    l.finish();
    EXPECT_FALSE(failed) << failed.why;
  }
  [[nodiscard]] std::string facts() const {
    std::string all;
    for (const auto& f : made->facts()) all += f.key + '=' + f.value + ' ';
    return all;
  }
};

TEST(ModuleSinkResults, BelongToTheLastCommit) {
  for (const bool blocks : {false, true}) {
    result_fixture f;
    if (blocks) f.module.table.blocking = NBDSTREAM_BLOCKING_FINISH;
    int streams = 0;
    f.script.answer = [&](const char* call) -> std::int64_t {
      if (std::string_view(call) != "commit") return 0;
      if (++streams == 1) {
        f.tell("etag", "old");
        f.tell("etag", "abc");
        f.tell("parts", "2");
      } else {
        f.tell("etag", "def");
      }
      return 0;
    };
    f.make();
    f.run();
    EXPECT_EQ(f.facts(), "etag=abc parts=2 ");
    f.run();
    EXPECT_EQ(f.facts(), "etag=def ");
  }
}

TEST(ModuleSinkResults, AreAcceptedOnlyDuringACommit) {
  result_fixture f;
  f.script.answer = [&](const char* call) -> std::int64_t {
    if (std::string_view(call) == "open") f.tell("early", "1");
    return 0;
  };
  f.make();
  f.run();
  f.tell("late", "1");
  EXPECT_EQ(f.facts(), "");
}

TEST(ModuleSinkResults, AreLimitedInNumberAndLength) {
  result_fixture f;
  f.script.answer = [&](const char* call) -> std::int64_t {
    if (std::string_view(call) != "commit") return 0;
    f.tell("", "no key");
    f.tell(std::string(65, 'k').c_str(), "too long a key");
    f.tell("value", std::string(4097, 'v').c_str());
    for (int i = 0; i < 100; ++i) f.tell(std::to_string(i).c_str(), "x");
    return 0;
  };
  f.make();
  f.run();
  EXPECT_EQ(f.made->facts().size(), 64u);
  EXPECT_EQ(f.made->facts().front().key, "0");
}

}  // namespace
}  // namespace nbdstream::test

// SPDX-License-Identifier: BSD-3-Clause
//
// sink.hpp: the table that it makes from a class, and how it treats exceptions.
#include <gtest/gtest.h>

#include <cerrno>
#include <filesystem>
#include <functional>
#include <ios>
#include <nbdstream/sink.hpp>
#include <system_error>

namespace sink_tests {
namespace {

using nbdstream::sink_description;
using nbdstream::sink_error;
using nbdstream::sink_host;

/// What the members of the sinks below do, beside returning 0.
std::function<void()> act = [] {};

/// A host that records what a sink reports.
struct fake_host : nbdstream_host {
  fake_host() : nbdstream_host{} {
    struct_size = sizeof(nbdstream_host);
    context = this;
    explain = keep;
    result = note;
    progress = [](const nbdstream_host* host, std::uint64_t length) { of(host).safe = length; };
    wake = [](const nbdstream_host* host) { ++of(host).wakes; };
  }
  static fake_host& of(const nbdstream_host* host) {
    return *static_cast<fake_host*>(host->context);
  }
  static void keep(const nbdstream_host* host, const char* text) {
    static_cast<fake_host*>(host->context)->explained = text;
  }
  static void note(const nbdstream_host* host, const char* key, const char* value) {
    static_cast<fake_host*>(host->context)->results += std::string(key) + '=' + value + ' ';
  }
  std::string explained;
  std::string results;
  std::uint64_t safe = 0;
  int wakes = 0;
};

/// A sink with the required members only. It cannot be moved.
struct least {
  static constexpr sink_description about{.name = "least", .description = "Have little"};
  explicit least(sink_host) { act(); }
  least(const least&) = delete;
  least& operator=(const least&) = delete;
  ~least() = default;
  int open(const nbdstream_stream&) { return act(), 0; }
  std::int64_t write(std::span<const std::byte> data) {
    return act(), static_cast<std::int64_t>(data.size());
  }
  int commit(std::uint64_t) { return act(), 0; }
  int abort() { return act(), 0; }
};

struct most : least {
  using least::least;
  static constexpr nbdstream_option options[] = {
      {"a", NBDSTREAM_OPTION_STRING, 0, nullptr, "first"},
      {"b", NBDSTREAM_OPTION_INTEGER, 0, nullptr, "second"}};
  int native_fd(std::uint32_t& flags) { return act(), static_cast<int>(flags = 5); }
  std::int64_t zero(std::uint64_t length) { return act(), static_cast<std::int64_t>(length); }
  int flush() { return act(), 0; }
  int wait_for(nbdstream_wait& wait) { return act(), wait.fd = 7, 0; }
  void interrupt() { act(); }
  int check() { return act(), 0; }
};

constexpr auto least_table = nbdstream::detail::make_table<least>();
constexpr auto most_table = nbdstream::detail::make_table<most>();

struct SinkHpp : ::testing::Test {
  SinkHpp() { EXPECT_EQ(most_table.create(&host, &self), 0); }
  ~SinkHpp() override {
    act = [] {};
    most_table.destroy(self);
  }
  SinkHpp(const SinkHpp&) = delete;
  SinkHpp& operator=(const SinkHpp&) = delete;

  fake_host host;
  void* self = nullptr;
  const nbdstream_stream stream{sizeof stream, 0, 1, 0, "", "", 0};
};

TEST_F(SinkHpp, PassesResultToHost) {
  sink_host(&host).result("inode", "12");
  EXPECT_EQ(host.results, "inode=12 ");
}

TEST_F(SinkHpp, PassesNoResultToHostOfAbi10) {
  host.struct_size = offsetof(nbdstream_host, result);
  sink_host(&host).result("inode", "12");
  EXPECT_EQ(host.results, "");
}

TEST_F(SinkHpp, PassesProgressAndWakeOnlyToHostOfAbi11) {
  sink_host(&host).progress(12);
  sink_host(&host).wake();
  host.struct_size = offsetof(nbdstream_host, progress);
  sink_host(&host).progress(13);
  sink_host(&host).wake();
  EXPECT_EQ(host.safe, 12U);
  EXPECT_EQ(host.wakes, 1);
}

TEST_F(SinkHpp, LeavesTableMemberNullForMissingFunction) {
  EXPECT_EQ(least_table.struct_size, sizeof(nbdstream_sink_table));
  EXPECT_TRUE(least_table.create && least_table.destroy && least_table.open && least_table.write &&
              least_table.commit && least_table.abort);
  EXPECT_FALSE(least_table.zero || least_table.flush || least_table.native_fd ||
               least_table.wait_for || least_table.interrupt || least_table.check ||
               least_table.options);
  EXPECT_EQ(least_table.option_count, 0U);
}

TEST_F(SinkHpp, PassesArgumentsOfHostToEachFunction) {
  std::uint32_t flags = 0;
  nbdstream_wait wait{};
  EXPECT_EQ(most_table.option_count, 2U);
  EXPECT_STREQ(most_table.options[1].name, "b");
  EXPECT_EQ(most_table.open(self, &stream), 0);
  EXPECT_EQ(most_table.native_fd(self, &flags), 5);
  EXPECT_EQ(flags, 5U);
  EXPECT_EQ(most_table.write(self, "abc", 3), 3);
  EXPECT_EQ(most_table.zero(self, std::uint64_t{1} << 40), std::int64_t{1} << 40);
  EXPECT_EQ(most_table.flush(self), 0);
  EXPECT_EQ(most_table.wait_for(self, &wait), 0);
  EXPECT_EQ(wait.fd, 7);
  EXPECT_EQ(most_table.check(self), 0);
  EXPECT_EQ(most_table.commit(self, 3), 0);
  EXPECT_EQ(most_table.abort(self), 0);
}

TEST_F(SinkHpp, TurnsExceptionIntoErrnoAndExplanation) {
  const auto expect = [&](const std::function<void()>& what, int result, const char* sentence) {
    act = what;
    host.explained.clear();
    EXPECT_EQ(most_table.commit(self, 0), result) << sentence;
    EXPECT_NE(host.explained.find(sentence), std::string::npos) << host.explained;
    EXPECT_EQ(host.explained.empty(), *sentence == '\0') << host.explained;
  };
  expect([] { throw sink_error(ENOSPC, "it is full"); }, -ENOSPC, "it is full");
  expect([] { throw std::system_error(EACCES, std::system_category(), "no"); }, -EACCES,
         "no: Perm");
  expect([] { throw std::system_error(EDQUOT, std::generic_category()); }, -EDQUOT, "quota");
  expect([] { std::filesystem::create_directory("/nowhere/x"); }, -ENOENT, "/nowhere/x");
  expect([] { throw std::runtime_error("why not"); }, -EIO, "why not");
  expect([] { throw std::bad_alloc(); }, -ENOMEM, "");
  expect([] { throw 1; }, -EIO, "");
}

TEST_F(SinkHpp, TurnsExceptionWithoutErrnoIntoEio) {
  act = [] { throw sink_error(0, "it failed"); };
  EXPECT_EQ(most_table.commit(self, 0), -EIO);
  act = [] { throw std::ios_base::failure("the stream is bad"); };
  EXPECT_EQ(most_table.commit(self, 0), -EIO);
}

TEST_F(SinkHpp, ExplainsNothingForEagain) {
  act = [] { throw std::system_error(EAGAIN, std::system_category()); };
  EXPECT_EQ(most_table.write(self, "x", 1), -EAGAIN);
  EXPECT_EQ(host.explained, "");
}

TEST_F(SinkHpp, LetsNoExceptionOutOfAnyCall) {
  act = [] { throw sink_error(EPROTO, "no"); };
  std::uint32_t flags = 0;
  nbdstream_wait wait{};
  void* none = nullptr;
  EXPECT_EQ(most_table.create(&host, &none), -EPROTO);
  EXPECT_EQ(none, nullptr);
  EXPECT_EQ(most_table.open(self, &stream), -EPROTO);
  EXPECT_EQ(most_table.write(self, "x", 1), -EPROTO);
  EXPECT_EQ(most_table.zero(self, 1), -EPROTO);
  EXPECT_EQ(most_table.flush(self), -EPROTO);
  EXPECT_EQ(most_table.native_fd(self, &flags), -EPROTO);
  EXPECT_EQ(most_table.wait_for(self, &wait), -EPROTO);
  EXPECT_EQ(most_table.abort(self), -EPROTO);
  EXPECT_EQ(most_table.check(self), -EPROTO);
  most_table.interrupt(self);
}

}  // namespace
}  // namespace sink_tests

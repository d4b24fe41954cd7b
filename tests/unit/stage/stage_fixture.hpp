// SPDX-License-Identifier: BSD-3-Clause
//
// A stage in front of a sink in memory, and what is asked of it.
#ifndef NBDSTREAM_TESTS_UNIT_STAGE_STAGE_FIXTURE_HPP
#define NBDSTREAM_TESTS_UNIT_STAGE_STAGE_FIXTURE_HPP

#include "io/parts.hpp"
#include "support/fake_log.hpp"
#include "support/fake_sink.hpp"
#include "unit/io/loop.hpp"

#include <sys/mman.h>

#include <memory>
#include <string>
#include <string_view>

namespace nbdstream::test {

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

struct stage_fixture {
  loop l;
  fake_log log;
  sink_tape tape;
  fake_sink* inner = nullptr;
  std::unique_ptr<sink::sink> made;
  sink::failure failed;

  [[nodiscard]] std::unique_ptr<fake_sink> make_inner() {
    auto to = std::make_unique<fake_sink>(l.executor(), tape);
    inner = to.get();
    return to;
  }

  void run(awaitable<void> task) {
    l.spawn(std::move(task));
    l.finish();
  }

  awaitable<void> open(sink::stream_info info = {}) { failed = co_await made->open(info); }
  awaitable<void> write(std::string_view text) { failed = co_await made->write(bytes_of(text)); }
  awaitable<void> write_two(std::string_view one, std::string_view two) {
    std::array parts{io::part_of(bytes_of(one)), io::part_of(bytes_of(two))};
    failed = co_await made->write_parts(parts);
  }
  awaitable<void> write_zeroes(std::uint64_t count) { failed = co_await made->write_zeroes(count); }
  awaitable<void> write_file(int from, std::uint64_t offset, std::uint64_t count) {
    failed = co_await made->write_file(from, offset, count);
  }
  awaitable<void> flush() { failed = co_await made->flush(); }
  awaitable<void> commit(std::uint64_t length) { failed = co_await made->commit(length); }
  awaitable<void> abort() { co_await made->abort(); }

  /// A file without a name with this content.
  [[nodiscard]] static io::unique_fd file_with(std::string_view text) {
    io::unique_fd file(::memfd_create("test", MFD_CLOEXEC));
    EXPECT_EQ(::write(file.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
    return file;
  }
};

}  // namespace nbdstream::test
#endif

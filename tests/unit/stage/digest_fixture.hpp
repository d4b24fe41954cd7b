// SPDX-License-Identifier: BSD-3-Clause
//
// A digest_sink in front of a sink in memory, and what is asked of it.
#ifndef NBDSTREAM_TESTS_UNIT_STAGE_DIGEST_FIXTURE_HPP
#define NBDSTREAM_TESTS_UNIT_STAGE_DIGEST_FIXTURE_HPP

#include "io/parts.hpp"
#include "stage/digest_sink.hpp"
#include "stage/hasher.hpp"
#include "support/fake_log.hpp"
#include "support/fake_sink.hpp"
#include "unit/io/loop.hpp"

#include <sys/mman.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace nbdstream::test {

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

inline std::string sha256_of(std::string_view text) {
  stage::hasher h(config::digest_algorithm::sha256);
  h.update(bytes_of(text));
  return h.finish().value;
}

struct digest_fixture {
  loop l;
  fake_log log;
  sink_tape tape;
  fake_sink* inner = nullptr;
  std::unique_ptr<stage::digest_sink> made;
  ends socket = make_socketpair();  ///< the server's end, and the client's
  std::optional<stage::fingerprint> print;
  sink::failure failed;
  io::splice_result did;

  explicit digest_fixture(data_path path = data_path::copied, bool copy_only = false) {
    tape.path = path;
    auto to = std::make_unique<fake_sink>(l.executor(), tape);
    inner = to.get();
    made = std::make_unique<stage::digest_sink>(l.executor(), std::move(to),
                                                config::digest_algorithm::sha256, log, copy_only);
    ::fcntl(socket.read.get(), F_SETFL, O_NONBLOCK);
    run(open());
  }

  void run(awaitable<void> task) {
    l.spawn(std::move(task));
    l.finish();
  }

  awaitable<void> open() {
    const sink::stream_info info{};
    failed = co_await made->open(info);
  }
  awaitable<void> write(std::string_view text) { failed = co_await made->write(bytes_of(text)); }
  awaitable<void> write_two(std::string_view one, std::string_view two) {
    std::array parts{io::part_of(bytes_of(one)), io::part_of(bytes_of(two))};
    failed = co_await made->write_parts(parts);
  }
  awaitable<void> write_zeroes(std::uint64_t count) { failed = co_await made->write_zeroes(count); }
  awaitable<void> write_file(int from, std::uint64_t offset, std::uint64_t count) {
    failed = co_await made->write_file(from, offset, count);
  }
  awaitable<void> splice(std::uint64_t count) {
    did = co_await made->splice(socket.read.get(), count);
  }
  awaitable<void> seal(std::string_view last = {}) {
    failed = co_await made->seal(bytes_of(last), print);
  }
  awaitable<void> commit() { failed = co_await made->commit(tape.data().size()); }
  awaitable<void> abort() { co_await made->abort(); }

  /// The client sends `text`, all of which goes to the sink by splice.
  void splice_all(std::string_view text) {
    std::size_t sent = 0;
    for (std::size_t moved = 0; moved < text.size();) {
      const auto n = ::send(socket.write.get(), text.data() + sent, text.size() - sent,
                            MSG_DONTWAIT | MSG_NOSIGNAL);
      if (n > 0) sent += static_cast<std::size_t>(n);
      run(splice(text.size() - moved));
      ASSERT_FALSE(did.error) << did.why;
      ASSERT_FALSE(did.unsupported);
      moved += did.moved;
    }
  }
  /// A file without a name with this content.
  [[nodiscard]] static io::unique_fd file_with(std::string_view text) {
    io::unique_fd file(::memfd_create("test", MFD_CLOEXEC));
    EXPECT_EQ(::write(file.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
    return file;
  }

  /// Seals and commits: what the sink has must be `expected`, and its digest the one that was told.
  void expect_committed(std::string_view expected) {
    run(seal());
    ASSERT_FALSE(failed) << failed.why;
    ASSERT_TRUE(print.has_value());
    EXPECT_EQ(print->value, sha256_of(expected));
    EXPECT_EQ(print->length, expected.size());
    run(commit());
    EXPECT_FALSE(failed) << failed.why;
    EXPECT_TRUE(tape.data() == expected) << "the sink has something else";
    EXPECT_EQ(made->busy(), sink::sink::activity::none);
  }
};

}  // namespace nbdstream::test
#endif

// SPDX-License-Identifier: BSD-3-Clause
//
// A digest_sink in front of a sink in memory, and what is asked of it.
#ifndef NBDSTREAM_TESTS_UNIT_STAGE_DIGEST_FIXTURE_HPP
#define NBDSTREAM_TESTS_UNIT_STAGE_DIGEST_FIXTURE_HPP

#include "stage/digest_sink.hpp"
#include "stage/hasher.hpp"
#include "stage_fixture.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace nbdstream::test {

inline std::string sha256_of(std::string_view text) {
  stage::hasher h(config::digest_algorithm::sha256);
  h.update(bytes_of(text));
  return h.finish().value;
}

struct digest_fixture : stage_fixture {
  ends socket = make_socketpair();  ///< the server's end, and the client's
  std::optional<stage::fingerprint> print;
  io::splice_result did;

  explicit digest_fixture(data_path path = data_path::copied, bool copy_only = false) {
    tape.path = path;
    made = std::make_unique<stage::digest_sink>(l.executor(), make_inner(),
                                                config::digest_algorithm::sha256, log, copy_only);
    ::fcntl(socket.read.get(), F_SETFL, O_NONBLOCK);
    run(open());
  }

  awaitable<void> splice(std::uint64_t count) {
    did = co_await made->splice(socket.read.get(), count);
  }
  awaitable<void> seal(std::string_view last = {}) {
    failed = co_await made->seal(bytes_of(last), print);
  }
  awaitable<void> commit() { return stage_fixture::commit(tape.data().size()); }

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

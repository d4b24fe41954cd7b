// SPDX-License-Identifier: BSD-3-Clause
//
// What a session does to an export, without a connection.
#ifndef NBDSTREAM_TESTS_UNIT_SERVER_WRITER_CLIENT_HPP
#define NBDSTREAM_TESTS_UNIT_SERVER_WRITER_CLIENT_HPP

#include "rig.hpp"

#include <string>

namespace nbdstream::test {

/// One request that writes, and what became of it.
struct attempt {
  bool done = false;
  bool refused = false;  ///< there was no stream to join
  protocol::wire_error error = protocol::wire_error::none;
};

inline awaitable<void> write_to(nbd_export& e, client& who, std::uint64_t offset, std::string data,
                                attempt& result) {
  protocol::request r;
  r.type = protocol::command::write;
  r.offset = offset;
  r.length = data.size();
  const auto stream = co_await e.join(who);
  if (!stream) {
    result.refused = true;
    result.done = true;
    co_return;
  }
  auto admitted = co_await stream->admit(who, r);
  result.error = admitted.error;
  if (result.error == protocol::wire_error::none && admitted.where.payload > 0) {
    const auto payload = std::as_bytes(std::span(data)).first(admitted.where.payload);
    result.error = co_await stream->send(who, r, payload);
  }
  if (result.error == protocol::wire_error::none) {
    result.error = stream->payload_arrived(who, r, std::move(admitted)).value();
  }
  result.done = true;
}

inline awaitable<void> zero_to(nbd_export& e, client& who, std::uint64_t offset,
                               std::uint64_t length, attempt& result) {
  protocol::request r;
  r.type = protocol::command::write_zeroes;
  r.offset = offset;
  r.length = length;
  const auto stream = co_await e.join(who);
  result.refused = !stream;
  if (stream) {
    auto admitted = co_await stream->admit(who, r);
    result.error = admitted.error;
    if (result.error == protocol::wire_error::none) {
      result.error = stream->payload_arrived(who, r, std::move(admitted)).value();
    }
  }
  result.done = true;
}

/// A connection to the export of a rig. Its verbs begin; settle() of the rig lets them go on.
class writer_client {
 public:
  writer_client(rig& r, std::string name)
      : rig_(r), client_(r.loop.get_executor(), std::move(name)) {
    rig_.exported.attach();
  }
  ~writer_client() {
    if (!left_) rig_.exported.detach(client_.me, stream::disconnect::mid_request);
  }
  writer_client(const writer_client&) = delete;
  writer_client& operator=(const writer_client&) = delete;

  void begin_write(std::uint64_t offset, std::string data) {
    last = {};
    spawn(rig_.loop, write_to(rig_.exported, client_.me, offset, std::move(data), last));
  }
  attempt write(std::uint64_t offset, std::string data) {
    begin_write(offset, std::move(data));
    rig_.settle();
    EXPECT_TRUE(last.done);
    return last;
  }
  attempt zero(std::uint64_t offset, std::uint64_t length) {
    last = {};
    spawn(rig_.loop, zero_to(rig_.exported, client_.me, offset, length, last));
    rig_.settle();
    EXPECT_TRUE(last.done);
    return last;
  }
  void leave(stream::disconnect how) {
    left_ = true;
    rig_.exported.detach(client_.me, how);
    rig_.settle();
  }
  client& who() { return client_.me; }
  [[nodiscard]] std::size_t late_replies() { return client_.late_replies(); }

  attempt last;

 private:
  rig& rig_;
  fake_client client_;
  bool left_ = false;
};

}  // namespace nbdstream::test
#endif

// SPDX-License-Identifier: BSD-3-Clause
//
// The operations of a sink, each as a coroutine that says how it ended.
#ifndef NBDSTREAM_TESTS_UNIT_SINK_OPERATIONS_HPP
#define NBDSTREAM_TESTS_UNIT_SINK_OPERATIONS_HPP

#include "sink/sink.hpp"

#include <cstdint>
#include <span>
#include <string>

namespace nbdstream::test {

struct sink_outcome {
  bool done = false;
  sink::failure failed;
};

inline awaitable<void> open(sink::sink& s, sink::stream_info info, sink_outcome& o) {
  o.failed = co_await s.open(info);
  o.done = true;
}
inline awaitable<void> open(sink::sink& s, sink_outcome& o) {
  return open(s, sink::stream_info(), o);
}
inline awaitable<void> write(sink::sink& s, std::string data, sink_outcome& o) {
  o.failed = co_await s.write(std::as_bytes(std::span(data)));
  o.done = true;
}
inline awaitable<void> zeroes(sink::sink& s, std::uint64_t count, sink_outcome& o) {
  o.failed = co_await s.write_zeroes(count);
  o.done = true;
}
inline awaitable<void> write_file(sink::sink& s, int from, std::uint64_t offset,
                                  std::uint64_t count, sink_outcome& o) {
  o.failed = co_await s.write_file(from, offset, count);
  o.done = true;
}
inline awaitable<void> commit(sink::sink& s, sink_outcome& o) {
  o.failed = co_await s.commit(0);
  o.done = true;
}
inline awaitable<void> abort(sink::sink& s, sink_outcome& o) {
  co_await s.abort();
  o.done = true;
}

}  // namespace nbdstream::test
#endif

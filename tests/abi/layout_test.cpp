// SPDX-License-Identifier: BSD-3-Clause
//
// ABI 1.0 and 1.1 of sinks, and 1.0 of sources, are frozen: the current headers have each member
// where the published headers have it.
#include "layout.h"

#include <gtest/gtest.h>
#include <nbdstream/sink.h>
#include <nbdstream/source.h>

#include <type_traits>

namespace sink_tests {
namespace {

static_assert(sizeof(void*) == 8 && sizeof(long) == 8, "layout.def is about LP64");

void expect_frozen(const layout_line* lines) {
  for (; lines->name; ++lines) {
    EXPECT_EQ(lines->offset, lines->frozen_offset) << lines->name;
    EXPECT_EQ(lines->size, lines->frozen_size) << lines->name;
  }
}

TEST(Layout, SinkHeader10MatchesFrozenLayout) {
  expect_frozen(layout_of_1_0());
}

TEST(Layout, SinkHeader11MatchesFrozenLayout) {
  expect_frozen(layout_of_1_1());
}

TEST(Layout, SourceHeader10MatchesFrozenLayout) {
  expect_frozen(layout_of_source_1_0());
}

TEST(Layout, CurrentHeadersMatchFrozenLayout) {
  expect_frozen(layout_of_today());
}

// The signatures of the functions in a table are frozen too.
template <class Member, class Function>
constexpr bool is = std::is_same_v<Member, Function*>;
using t = nbdstream_sink_table;
using h = nbdstream_host;
static_assert(is<decltype(t::create), int(const nbdstream_host*, void**)>);
static_assert(is<decltype(t::destroy), void(void*)>);
static_assert(is<decltype(t::open), int(void*, const nbdstream_stream*)>);
static_assert(is<decltype(t::write), int64_t(void*, const void*, size_t)>);
static_assert(is<decltype(t::zero), int64_t(void*, uint64_t)>);
static_assert(is<decltype(t::flush), int(void*)>);
static_assert(is<decltype(t::native_fd), int(void*, uint32_t*)>);
static_assert(is<decltype(t::wait_for), int(void*, nbdstream_wait*)>);
static_assert(is<decltype(t::commit), int(void*, uint64_t)>);
static_assert(is<decltype(t::abort), int(void*)>);
static_assert(is<decltype(t::interrupt), void(void*)>);
static_assert(is<decltype(h::log), void(const nbdstream_host*, int, const char*)>);
static_assert(is<decltype(h::explain), void(const nbdstream_host*, const char*)>);
static_assert(
    is<decltype(h::setting), const nbdstream_setting*(const nbdstream_host*, const char*)>);
static_assert(is<decltype(t::check), int(void*)>);
using s = nbdstream_source_table;
static_assert(is<decltype(s::open), int(const nbdstream_host*, void**, nbdstream_source_info*)>);
static_assert(is<decltype(s::read), int(void*, uint64_t, void*, size_t)>);
static_assert(is<decltype(s::interrupt), void(void*)>);
static_assert(is<decltype(s::close), void(void*)>);
static_assert(is<decltype(h::result), void(const nbdstream_host*, const char*, const char*)>);
static_assert(is<decltype(h::progress), void(const nbdstream_host*, uint64_t)>);
static_assert(is<decltype(h::wake), void(const nbdstream_host*)>);

}  // namespace
}  // namespace sink_tests
